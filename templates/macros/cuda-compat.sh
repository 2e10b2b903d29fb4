#!/bin/sh
# `cuda-compat OLDEST COMMAND...` starts a command, on hosts with an older driver with the libraries of NVIDIA's
# package cuda-compat. They are those of a newer driver, and support drivers from the branch OLDEST on (GPU-05).
folder=/usr/local/cuda/compat oldest=$1
shift
newest=$(readlink "$folder/libcuda.so.1")
newest=${newest##*libcuda.so.}
driver=$(sed -n 's/^NVRM[^.]* \([0-9]*\.[0-9.]*\).*/\1/p' /proc/driver/nvidia/version 2>/dev/null)
first=$(printf '%s\n' "$driver" "$newest" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)
if [ "${driver%%.*}" -ge "$oldest" ] 2>/dev/null && [ "$driver" != "$newest" ] && [ "$driver" = "$first" ]; then
  echo "cuda-compat: the driver of the host, $driver, is older than $newest: loading $folder" >&2
  export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
[ $# -gt 0 ] || { echo "cuda-compat: no command to start" >&2; exit 127; }
exec "$@"
