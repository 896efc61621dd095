#!/usr/bin/env bash
# A VOI LUT with more than 256 entries of 8 bits is applied wrongly: entries past the 256th are never
# reached.
#
# Versions: pydicom 3.0.2, numpy 2.4.6, Python 3.11.
#
# Expected: PS3.3, C.11.2.1.1 lets a table have as many entries as the stored numbers need, here 4096
# for 12 bits, and entries of 8 bits. `apply_voi_lut` gives entry n for the number n.
#
# Behaviour: it gives entry n modulo 256, and says nothing. `apply_voi` keeps the positions in the
# table in an array whose type is that of the entries (`clipped_iv = np.zeros(arr.shape, dtype=dtype)`
# with uint8), before it clips them. Bright tissue comes out dark. Entries of 10 to 16 bits are right.
#
# Output seen:
#   number  entry  apply_voi_lut
#      100      6              6
#      300     18              2
#     4000    250             10
#
# Exit code 0: as described; 1: it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_voi_lut

table = [number // 16 for number in range(4096)]
item = Dataset()
item.LUTDescriptor = [4096, 0, 8]
item.add_new("LUTData", "US", table)
header = Dataset()
header.VOILUTSequence = [item]
header.BitsStored, header.PixelRepresentation = 12, 0
numbers = np.array([100, 300, 4000], np.uint16)
shown = apply_voi_lut(numbers, header)
print("number  entry  apply_voi_lut")
for number, shade in zip(numbers, shown):
    print(f"{number:6} {table[number]:6} {shade:14}")
raise SystemExit([int(shade) for shade in shown] != [table[n % 256] for n in (100, 300, 4000)])
PYTHON
