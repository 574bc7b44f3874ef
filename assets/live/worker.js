// One worker of the live engine: it runs its share of the rows through each block and gets the others' from their
// workers. Its source is the text of this file; the engine starts it from a Blob, which works from file://, too.

let kernel, memory, tokens, share, peers;
let running = Promise.resolve();
let newest = 0; // serial of the run that is wanted; older ones are given up at their next pause
const WORTH_A_PAUSE = 2e8; // multiplications: some 30 ms

onmessage = ({ data, ports }) => {
  if (data.kind === "begin") begin(data, ports);
  if (data.kind === "tokens") tokens = data; // {X: Float32Array (n × q), q}
  if (data.kind === "run") {
    newest = data.serial;
    running = running.then(() => run(data)).catch((error) => tellFailure(data, error));
  }
  if (data.kind === "stop") {
    newest = 0;
    for (const peer of peers) peer.stop();
  }
};

function begin({ module, index, count }, ports) {
  memory = new WebAssembly.Memory({ initial: 16 });
  kernel = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } }).exports;
  share = { index, count };
  peers = ports.map((port) => new Peer(port));
}

/** Let messages in; throws `null` if another run, or none, is wanted by then. */
async function pause(serial) {
  await new Promise((go) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      go();
    };
    port2.postMessage(null);
  });
  if (newest !== serial) throw null;
}

function tellFailure({ serial }, error) {
  if (error === null) return; // given up
  postMessage({ serial, index: share.index, problem: String(error) });
}

/** Another worker: what it has sent is kept until it is asked for. */
class Peer {
  #rows = new Map(); // "serial block" -> {from, rows}
  #asked = new Map(); // likewise -> what takes them

  constructor(port) {
    this.port = port;
    port.onmessage = ({ data }) => {
      const key = `${data.serial} ${data.block}`;
      if (this.#asked.has(key)) this.#asked.get(key)(data);
      else this.#rows.set(key, data);
      this.#asked.delete(key);
    };
  }

  send(serial, block, from, rows) {
    this.port.postMessage({ serial, block, from, rows }, [rows.buffer]);
  }

  /** Rows of runs before this one, which was given up, are of no use. */
  forgetBefore(serial) {
    for (const key of this.#rows.keys()) if (parseInt(key, 10) < serial) this.#rows.delete(key);
  }

  /** Nothing is wanted any more: who waits for rows is let go. */
  stop() {
    this.#rows.clear();
    for (const take of this.#asked.values()) take(null);
    this.#asked.clear();
  }

  receive(serial, block) {
    const key = `${serial} ${block}`;
    const rows = this.#rows.get(key);
    this.#rows.delete(key);
    return rows ? Promise.resolve(rows) : new Promise((take) => this.#asked.set(key, take));
  }
}

/** Places of the arrays in the kernel's memory, for m tokens of q, of which `rows` are this worker's. */
function layout(m, q, d, rows) {
  let free = kernel.heap();
  const place = (length) => {
    const start = (free + 15) & ~15;
    free = start + 4 * length;
    return start;
  };
  const [tokenGroups, columnGroups] = [(m + 7) & ~7, (d + 7) & ~7];
  const places = {
    X: place((m + 4) * q), // the kernel reads rows four at a time
    AX: place(rows * q),
    keys: place(tokenGroups * d),
    values: place(m * columnGroups),
    work: place(32 * tokenGroups), // its BATCH
  };
  const lacking = free - memory.buffer.byteLength;
  if (lacking > 0) memory.grow(Math.ceil(lacking / 65536));
  return places;
}

/** Rows of `count` workers in shares of whole fours; the last ones may have none. */
function rowsOf(index, count, m) {
  const each = 4 * Math.ceil(m / 4 / count);
  return [Math.min(m, index * each), Math.min(m, (index + 1) * each)];
}

/**
 * The first m tokens through all blocks. Answers with what is drawn of its rows after each sub-step, or with `ends` after
 * each block alone, block 0 first: `columns` of the latents, or all of them.
 */
async function run({ serial, m, n_blocks, alpha, eta, n_heads, mask_self, graph_diffusion, relu, columns, ends }) {
  if (newest !== serial) return;
  for (const peer of peers) peer.forgetBefore(serial);
  const { q } = tokens;
  const d = q / n_heads;
  const [from, to] = rowsOf(share.index, share.count, m);
  const rows = to - from;
  const places = layout(m, q, d, rows);
  const X = new Float32Array(memory.buffer, places.X, m * q);
  X.set(tokens.X.subarray(0, m * q));
  const own = X.subarray(from * q, to * q);
  const start = places.X + 4 * from * q;
  const epsilon = 1e-10 * m; // the latents here are √m times the paper's
  const wide = columns ? columns.length : q;
  const drawn = new Float32Array((1 + (ends ? 1 : 4) * n_blocks) * rows * wide);
  const chunk = 4 * Math.max(1, Math.floor(WORTH_A_PAUSE / (8 * m * d)));
  let at = 0;
  const draw = () => {
    if (!columns) drawn.set(own, at);
    else for (let i = 0; i < rows; i++) columns.forEach((c, k) => (drawn[at + i * wide + k] = own[i * q + c]));
    at += rows * wide;
  };
  draw();
  for (let block = 1; block <= n_blocks; block++) {
    for (let first = 0; first < q; first += d) {
      kernel.pack(places.X, m, q, first, d, places.keys, places.values);
      for (let row = from; row < to; row += chunk) {
        const AX = places.AX + 4 * (row - from) * q;
        kernel.attend(places.X, m, q, first, d, places.keys, places.values, row, Math.min(to, row + chunk), alpha / d, +mask_self, places.work, AX); // prettier-ignore
        if (row + chunk < to) await pause(serial);
      }
    }
    kernel.step(start, places.AX, rows * q, eta, +graph_diffusion);
    if (!ends) draw();
    kernel.layer_norm(start, rows, q, epsilon);
    if (!ends) draw();
    kernel.feed_forward(start, rows * q, eta, +relu);
    if (!ends) draw();
    kernel.layer_norm(start, rows, q, epsilon);
    draw();
    if (block === n_blocks) break;
    for (const peer of peers) peer.send(serial, block, from, own.slice());
    for (const peer of peers) {
      const theirs = await peer.receive(serial, block);
      if (newest !== serial || theirs === null) throw null;
      X.set(theirs.rows, theirs.from * q);
    }
  }
  postMessage({ serial, index: share.index, from, rows, drawn }, [drawn.buffer]);
}
