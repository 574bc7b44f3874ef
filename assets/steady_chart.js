// One chart that does not blink.

export default function ({ data }) {
  if (data) keepSteady(data.container);
}
