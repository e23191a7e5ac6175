"""Compare the shipped networks of chapter 7 with ones trained anew: `python tests/remade.py SHIPPED REMADE`."""

import sys

from safetensors.torch import load_file

TOLERANCE = 0.05  # relative distance of all weights of a network; starts moved by 1e-7 end 2e-4 apart, other seeds 1.1


def distances(shipped, remade):
    """{network: ‖remade − shipped‖ / ‖shipped‖} of two {network.parameter: tensor}."""
    if {k: t.shape for k, t in shipped.items()} != {k: t.shape for k, t in remade.items()}:
        sys.exit("The two files hold different tensors.")
    off, size = {}, {}
    for key, old in shipped.items():
        name = key.split(".")[0]
        off[name] = off.get(name, 0) + (remade[key].double() - old.double()).square().sum()
        size[name] = size.get(name, 0) + old.double().square().sum()
    return {name: float((off[name] / size[name]) ** 0.5) for name in off}


if __name__ == "__main__":
    found = distances(*map(load_file, sys.argv[1:3]))
    print("\n".join(f"{name}: {distance:.2g}" for name, distance in found.items()))
    if not all(distance <= TOLERANCE for distance in found.values()):
        sys.exit(f"A network differs by more than {TOLERANCE}.")
