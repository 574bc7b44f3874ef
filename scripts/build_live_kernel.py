"""Build the modules that the browser runs, from assets/live/kernel.c, with Debian's clang-16 and lld-16.

One is of WebAssembly SIMD, one of relaxed SIMD too, which multiplies and adds at once; a browser takes what it can. A
test builds both again and compares them with the committed ones byte for byte (`tests/live/test_kernel_build.py`).
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

LIVE = Path(__file__).resolve().parent.parent / "assets" / "live"
COMPILER = "clang-16"
MODULES = {"kernel.wasm": (), "kernel_relaxed.wasm": ("-mrelaxed-simd",)}
"""By name of the file: what is added to `FLAGS`."""
EXPORTS = ("heap", "pack", "attend", "step", "layer_norm", "feed_forward")
FLAGS = (
    "--target=wasm32",
    "-O3",
    "-msimd128",
    "-nostdlib",
    "-ffreestanding",
    "-Wall",
    "-Werror",
    "-Wl,--no-entry",
    "-Wl,--import-memory",  # grown by JavaScript, which knows how many tokens there are
    "-Wl,--strip-all",
    *(f"-Wl,--export={name}" for name in EXPORTS),
)


def build(folder: Path) -> None:
    """Compile the modules into `folder`."""
    for name, more in MODULES.items():
        # In its folder, by its name: so that no path of this machine gets into the module.
        command = [COMPILER, *FLAGS, *more, "-o", str(folder.resolve() / name), "kernel.c"]
        subprocess.run(command, cwd=LIVE, check=True)
        (folder / name).chmod(0o644)


def main() -> None:
    """Build the modules where the app looks for them, or elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=LIVE, help="the folder to write them to")
    to = parser.parse_args().to
    if shutil.which(COMPILER) is None:
        sys.exit(f"there is no {COMPILER}: apt install clang-16 lld-16")
    build(to)
    print("wrote " + ", ".join(f"{name}, {(to / name).stat().st_size} bytes" for name in MODULES))


if __name__ == "__main__":
    main()
