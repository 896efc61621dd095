#!/usr/bin/env bash
# transformers reads a Gemma 3 of the 4B's or the 27B's size from GGUF with unscaled positions, and the
# 27B's with queries scaled by the wrong number.
#
# Versions: transformers 5.23.0, gguf 0.19.0, Python 3.11.
#
# Expected: the configuration of https://huggingface.co/google/gemma-3-27b-it: in the layers that attend
# to everything positions are divided by 8 (rope_scaling, from 4B up), and queries by the root of 168
# (query_pre_attn_scalar; 256 in the others). llama.cpp's converter writes the first into the file
# (gemma3.rope.scaling.type and .factor); llama.cpp knows the second by the model's size.
#
# Behaviour: the mapping for gemma3 (transformers/integrations/ggml.py) has neither key, and nothing is
# said at the default verbosity. What the layers that attend to everything see is then rotated eight
# times too far, in the 27B attention is also 19 % too flat; the model writes on, less well.
#
# Output seen:
#   4B:  {'rope_theta': 1000000.0, 'rope_type': 'default'} 256
#   27B: {'rope_theta': 1000000.0, 'rope_type': 'default'} 256
#
# Exit code 0: as described; 1: it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 \
  transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0
export HF_HUB_OFFLINE=1

# The configuration alone: no weights are needed to see it.
cat >show.py <<'PYTHON'
import sys

from gguf import GGUFWriter, RopeScalingType
from transformers import AutoConfig

name, layers, width, heads, length = sys.argv[1], *map(int, sys.argv[2:])
writer = GGUFWriter(f"{name}.gguf", "gemma3")
writer.add_context_length(131072)
writer.add_embedding_length(width)
writer.add_block_count(layers)
writer.add_feed_forward_length(4 * width)
writer.add_head_count(heads)
writer.add_head_count_kv(heads // 2)
writer.add_key_length(length)
writer.add_value_length(length)
writer.add_layer_norm_rms_eps(1e-6)
writer.add_sliding_window(1024)
writer.add_rope_freq_base(1e6)
writer.add_rope_scaling_type(RopeScalingType.LINEAR)
writer.add_rope_scaling_factor(8.0)
writer.add_tokenizer_model("llama")
writer.add_token_list(["<pad>", "<eos>", "<bos>", "<unk>"])
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
config = AutoConfig.from_pretrained(".", gguf_file=f"{name}.gguf")
positions = dict(sorted(config.rope_parameters["full_attention"].items()))
print(f"{name + ':':4} {positions} {config.query_pre_attn_scalar}")
PYTHON

seen=$(venv/bin/python show.py 4B 34 2560 8 256; venv/bin/python show.py 27B 62 5376 32 128)
echo "$seen"
[[ $seen == "4B:  {'rope_theta': 1000000.0, 'rope_type': 'default'} 256
27B: {'rope_theta': 1000000.0, 'rope_type': 'default'} 256" ]]
