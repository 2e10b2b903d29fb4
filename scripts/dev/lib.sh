# shellcheck shell=bash
# Shared by the shell scripts: messages, the cache folder, locks, scratch space, Debian packages.
# Scripts print results on stdout; all functions here print messages on stderr.

# Seconds until a wait is given up (hang), and until a program that does not answer counts as absent (silence). Both are
# long, because a machine may be slow: they only end waits that would never end.
# shellcheck disable=SC2034  # used by scripts that source this file
readonly hang=1800 silence=120

say() { printf '%s\n' "$*" >&2; }

# The exit code means "another tool failed", as in `buildkit` itself.
die() {
  say "error: $*"
  exit 5
}

usage() {
  say "usage: $*"
  exit 2
}

has() { command -v "$1" >/dev/null 2>&1; }

# absolute PATH: print the path without symbolic links, as the kernel names it, even if it does not exist.
absolute() {
  local path=$1 rest=
  [[ $path == /* ]] || path=$PWD/$path
  while [[ ! -d $path/ ]]; do
    rest=/${path##*/}$rest
    path=${path%/*}
  done
  path=$(cd -P -- "$path/" && pwd -P)
  echo "${path%/}$rest"
}

cache_folder() {
  [[ -n ${BUILDKIT_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-} ]] || die "none of BUILDKIT_CACHE, XDG_CACHE_HOME and HOME is set"
  absolute "${BUILDKIT_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/buildkit}"
}

# hash TEXT: print eight hexadecimal digits of its checksum.
hash() { printf '%s' "$1" | if has sha256sum; then sha256sum; else shasum -a 256; fi | cut -c1-8; }

# limited SECONDS COMMAND…: run a command with a time limit; macOS has no `timeout`.
limited() {
  if has timeout; then
    timeout -k 1 "$@"
  else
    perl -e 'alarm shift; exec @ARGV' "$@"
  fi
}

# lock FOLDER: hold the lock until the script ends. The folder is its own lock file, so that removing it leaves nothing
# behind. If another script removed it while this one waited, the name is another folder now, and the lock is taken again.
lock() {
  mkdir -p -- "$1"
  exec 9<"$1"
  ! has flock || flock -w "$hang" 9 || die "another process has held $1 for $((hang / 60)) minutes"
  [[ ! -e /dev/fd/9 || $1 -ef /dev/fd/9 ]] || lock "$1"
}

# scratch FOLDER: create $scratch, a new folder in FOLDER that is removed when the script ends, however it ends.
scratch=
scratch() {
  mkdir -p -- "$1"
  scratch=$(mktemp -d "$1/tmp.XXXXXX")
  trap 'rm -rf -- "$scratch"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# begin NAME COMMAND…: start a part of this script in parallel, with its stdout in $scratch/NAME. Each part has its own
# process group, so that an interruption, or the failure of another part, ends all of its processes.
begin() {
  local name=$1
  shift
  [[ -n ${parts+begun} ]] || trap end_parts EXIT
  set -m
  (
    set +m
    trap : TERM # this shell ends with its command, and prints nothing about it
    "$@" >"$scratch/$name" 2>&3 3>&- </dev/null && : >"$scratch/$name.done"
  ) 3>&2 2>/dev/null &
  set +m
  parts=(${parts[@]+"${parts[@]}"} "$name:$!")
}

# finish NAME…: wait until these parts have succeeded. The first part that fails ends the script; its last message is the
# reason.
finish() {
  local name part code
  for name in "$@"; do
    until [[ -e $scratch/$name.done ]]; do
      for part in "${parts[@]}"; do
        kill -0 "${part#*:}" 2>/dev/null || [[ -e $scratch/${part%:*}.done ]] || {
          code=0
          wait "${part#*:}" || code=$?
          ((code < 128)) || say "error: the part \`${part%:*}\` was ended by a signal"
          exit "$code"
        }
      done
      sleep 0.1
    done
  done
}

end_parts() {
  local part
  trap '' INT TERM HUP
  for part in "${parts[@]}"; do kill -TERM -- "-${part#*:}" 2>/dev/null || true; done
  for part in "${parts[@]}"; do wait "${part#*:}" 2>/dev/null || true; done
  rm -rf --one-file-system -- "$scratch"
}

# quietly LOG COMMAND…: write the output to LOG, and show its end if the command fails.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null || {
    say "\`$*\` failed:"
    tail -n 20 -- "$log" >&2
    return 1
  }
}

# in_background LOG COMMAND…: start a program that outlives this script, its terminal and the make that called it; its
# process id is in $!. All descriptors are closed: an open one (the lock, make's job server, a test runner's pipe) would
# keep its readers waiting.
in_background() {
  local log=$1 session=nohup
  shift
  ! has setsid || session=setsid
  (
    for fd in {3..19}; do eval "exec $fd>&-"; done
    exec "$session" "$@" </dev/null >>"$log" 2>&1
  ) &
}

is_debian_root() { [[ $EUID -eq 0 ]] && has apt-get && has dpkg; }

# install_packages NAME…: install the missing ones with apt-get. The package lists are refreshed only if they are absent
# or too old.
install_packages() {
  local name missing=() log
  for name in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null) == ii* ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  say "installing Debian packages with apt-get: ${missing[*]}"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o "DPkg::Lock::Timeout=$hang" install -y -q
    --no-install-recommends "${missing[@]}")
  log=$(mktemp)
  (
    # One at a time: apt-get waits for another apt-get that installs, but not for one that refreshes the lists.
    ! has flock || flock -w "$hang" 7 || die "another process has held /var/lib/dpkg for $((hang / 60)) minutes"
    # An interruption may end the download, but not the installation: that would leave dpkg in a broken state.
    {
      { "${install[@]}" --download-only >"$log" 2>&1 </dev/null ||
        { quietly "$log" apt-get update -q && quietly "$log" "${install[@]}" --download-only; }; } &&
        trap '' INT TERM HUP && quietly "$log" "${install[@]}"
    } 7>&- # programs that an installation starts do not hold the lock
  ) 7</var/lib/dpkg || die "cannot install ${missing[*]}; whole log: $log"
  rm -f -- "$log"
}

# debian_mirror Debian|Debian-Security: print the mirror that the system itself uses.
debian_mirror() {
  local label=$1 path mirror
  path=$(printf '%s' "$label" | tr '[:upper:]' '[:lower:]')
  # shellcheck disable=SC2016  # the dollars are apt's
  mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v label="$label" -v path="/$path/?$" '($1 == label || $NF ~ path) && !found++ { print $NF }')
  if [[ -z $mirror && $label == Debian-Security ]]; then
    mirror=$(debian_mirror Debian)
    mirror=${mirror%/}-security # mirrors have it beside the main archive
  fi
  [[ -n $mirror ]] || die "apt's sources have no mirror of $label"
  echo "$mirror"
}

readonly debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# unpack_packages SUITE FOLDER NAME…: download Debian packages of any suite and unpack them into FOLDER, without installing
# them: apt uses separate lists and sources, with the system's proxy, certificates and credentials.
unpack_packages() {
  local suite=$1 folder=$2 apt=$scratch/apt deb
  shift 2
  [[ -e $debian_keyring ]] || install_packages debian-archive-keyring
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts,debs} "$folder"
  : >"$apt/status"
  echo "deb [signed-by=$debian_keyring] $(debian_mirror Debian) $suite main" >"$apt/sources.list"
  # No hooks, because on some systems they clean /var/cache/apt after each update. As root, because apt's own user may
  # have no access to the cache folder.
  cat >"$apt/apt.conf" <<CONF
Dir::State "$apt";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "$apt/parts";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$apt/parts";
APT::Default-Release "";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
  (
    cd "$apt/debs"
    quietly "$apt/log" apt-get -q -c "$apt/apt.conf" update &&
      quietly "$apt/log" apt-get -q -c "$apt/apt.conf" download "$@"
  ) || die "cannot download from Debian $suite: $*"
  for deb in "$apt"/debs/*.deb; do
    dpkg -x "$deb" "$folder" || die "cannot unpack ${deb##*/} (is the disk full?)"
  done
  rm -rf -- "$apt"
}
