# shellcheck shell=bash disable=SC2154  # $scripts: the folder, of whoever sources this
# The real parts that quickstart and the end-to-end tests share: sourced, it exports where they are.

# local_engine: an engine, and base images for every Python of the matrix where it cannot pull them.
local_engine() {
  local lines
  lines=$("$scripts/engine" up)
  eval "$lines"
  BUILDKIT_SUBSTITUTE=$("$scripts/bases" 3.9 3.11 3.13 | paste -sd' ' -)
  # Who has a folder of wheels on this machine may not reach the index of PyTorch's: pip need not wait for it.
  [[ ! -d ${PIP_FIND_LINKS:-} ]] || BUILDKIT_SUBSTITUTE+=" https://download.pytorch.org/whl/cpu=https://pypi.org/simple"
  export BUILDKIT_SUBSTITUTE
}

# local_registry: a registry on loopback with ECR's login, and the API behind it. From here on no AWS account of
# yours can be reached.
local_registry() {
  local lines
  lines=$("$scripts/registry" up)
  eval "$lines"
}
