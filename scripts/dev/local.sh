# shellcheck shell=bash disable=SC2154  # $scripts: the folder, set by the script that sources this file
# The engine and the registry that scripts and end-to-end tests share: source this file, then call its functions.

# local_engine: start an engine, and make stand-ins for the base images that it cannot pull.
local_engine() {
  local lines
  lines=$("$scripts/engine" up)
  eval "$lines"
  BUILDKIT_SUBSTITUTE=$("$scripts/bases" 3.9 3.11 3.13 | paste -sd' ' -)
  # With a folder of wheels, PyTorch's index may be out of reach: pip need not wait for it.
  [[ ! -d ${PIP_FIND_LINKS:-} ]] || BUILDKIT_SUBSTITUTE+=" https://download.pytorch.org/whl/cpu=https://pypi.org/simple"
  export BUILDKIT_SUBSTITUTE
}

# local_registry: start a registry on loopback with ECR's login and API. After this call, no real AWS account can be
# reached.
local_registry() {
  local lines
  lines=$("$scripts/registry" up)
  eval "$lines"
}
