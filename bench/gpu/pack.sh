# For on_device.sh: what travels to a machine with a GPU, and how it is made to work there. Sourced.
#
# Two packs, each a folder that --packed takes:
#   --pack DIR         programs.tar.xz: the built programs, stripped, and the libraries that they
#                      load. Needs nothing there but a driver.
#   --pack-debs DIR    the Debian packages that the build needs, for a machine that has nvcc, g++,
#                      meson and ninja but none of our libraries. They are unpacked beside the
#                      build, not installed.

# Refuses a folder of more than --limit MiB, and says what it holds.
check_pack_size() {
  local bytes mib
  bytes=$(find "$pack" -type f -printf '%s\n' | awk '{n += $1} END {printf "%.0f", n}')
  mib=$(((bytes + 1048575) / 1048576))
  find "$pack" -type f -printf '%s %P\n' | sort -rn | head -5 |
    awk '{printf "  %7.1f MiB  %s\n", $1 / 1048576, $2}'
  echo "$pack: $mib MiB (limit $limit)"
  [ "$mib" -le "$limit" ] && return
  echo "on_device: the pack is larger than --limit $limit MiB: it may not travel" >&2
  exit 1
}

# The libraries of the C library itself stay behind: those of the other machine must be newer.
pack_libraries() { # FOLDER PROGRAM...
  local to=$1
  shift
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
    grep -vE '/(libc|libm|libdl|libpthread|librt|libcuda|libresolv)\.so' |
    while read -r library; do cp -L "$library" "$to/"; done
}

pack_programs() {
  local staging program
  staging=$(mktemp -d)
  mkdir -p "$pack" "$staging"/{lib,build-gpu/{apps,tests,bench},bench/{gpu,peers},tests/parity}
  for program in "${programs[@]}"; do
    strip -o "$staging/build-gpu/$program" "$build/$program" || exit 1
  done
  pack_libraries "$staging/lib" "${programs[@]/#/$build/}"
  strip --strip-unneeded "$staging"/lib/*.so* 2>/dev/null
  cp bench/gpu/{on_device.sh,pack.sh,curves.py} "$staging/bench/gpu/"
  cp bench/peers/race_gpu.py "$staging/bench/peers/"
  cp tests/parity/pose_*_torch.py "$staging/tests/parity/"
  mkdir -p "$staging/build-gpu/share/akimbo"
  cp -r apps/configs "$staging/build-gpu/share/akimbo/"
  tar -C "$staging" -cf - . | xz -6 -T0 >"$pack/programs.tar.xz" || exit 1
  rm -rf "$staging"
  check_pack_size
}

# The build's own packages (of the list of ./dev), and what an empty system would install for them,
# except the C and C++ libraries, which must be those of that machine's compiler.
pack_debs() {
  local wanted names
  wanted=(pkgconf libhwy-dev libfmt-dev nlohmann-json3-dev libcli11-dev libstb-dev
    libturbojpeg0-dev libjpeg62-turbo-dev libzip-dev libmatio-dev libyaml-cpp-dev zlib1g-dev
    libgtest-dev libbenchmark-dev)
  names=$(apt-get -o Dir::State::status=/dev/null -s -qq --no-install-recommends install \
    "${wanted[@]}" | awk '$1 == "Inst" {print $2}' | sort -u |
    grep -vE '^(libc6|libc6-dev|libc-dev-bin|libc-bin|linux-libc-dev|libgcc-s1|gcc-.*|libstdc\+\+.*|libcrypt.*|libnsl.*|libtirpc.*|rpcsvc-proto|libssl-dev|libdb5.*|libgfortran.*|libquadmath.*)$')
  [ -n "$names" ] || { echo "on_device: apt-get knows none of the packages; apt-get update?" >&2; exit 1; }
  mkdir -p "$pack"
  # shellcheck disable=SC2086
  (cd "$pack" && apt-get -qq -o APT::Sandbox::User=root download $names) || exit 1
  check_pack_size
}

# FOLDER becomes the working folder. Programs are started by a script that shows them their own
# libraries: those must not get into Python's way.
unpack_programs() { # FOLDER
  local program
  mkdir -p "$1"
  if command -v xz >/dev/null; then
    xz -dc "$packed/programs.tar.xz" | tar -C "$1" -xf - || exit 1
  else  # Python knows the format where the program is missing
    python3 -m tarfile -e "$packed/programs.tar.xz" "$1" || exit 1
  fi
  cd "$1" || exit 1
  build=build-gpu do_build=0
  for program in "${programs[@]}"; do
    [ -f "$build/$program.bin" ] || mv "$build/$program" "$build/$program.bin"
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec %s "$@"\n' \
      "$PWD/lib" "$PWD/$build/$program.bin" >"$build/$program"
    chmod +x "$build/$program" "$build/$program.bin"
  done
}

# Unpacks the packages to FOLDER and lets pkg-config, compiler and linker find them there, and the
# programs by their RPATH (the old kind, which libraries of libraries follow too): nothing that
# other programs see.
unpack_debs() { # FOLDER
  local deb prefix arch=x86_64-linux-gnu
  rm -rf "$1"
  mkdir -p "$1"
  prefix=$(realpath "$1")
  for deb in "$packed"/*.deb; do dpkg -x "$deb" "$prefix" || exit 1; done
  find "$prefix/usr" -name '*.pc' -exec sed -i "s#/usr/#$prefix/usr/#g; s#=/usr\$#=$prefix/usr#" {} +
  local libraries=$prefix/usr/lib/$arch:$prefix/lib/$arch
  mkdir -p "$prefix/bin"
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$prefix/usr/bin/pkgconf" \
    >"$prefix/bin/pkg-config"
  chmod +x "$prefix/bin/pkg-config"
  export PATH=$prefix/bin:$PATH
  export PKG_CONFIG_PATH=$prefix/usr/lib/$arch/pkgconfig:$prefix/usr/share/pkgconfig
  export LIBRARY_PATH=$libraries${LIBRARY_PATH:+:$LIBRARY_PATH}
  export CPLUS_INCLUDE_PATH=$prefix/usr/include:$prefix/usr/include/$arch
  export LDFLAGS="-Wl,--disable-new-dtags,-rpath,$libraries:$prefix/usr/lib/$arch/hdf5/serial"
}

# cuDNN and cuBLASLt as PyTorch's wheels bring them, for machines whose toolkit has neither: the
# libraries for the loader, and the headers (only these: the wheels' copy of the runtime's may be of
# another version than nvcc).
find_vendor_libraries() { # FOLDER for headers
  local root folder
  root=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null) || return 0
  while read -r folder; do
    LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
  done < <(find "$root" \( -name 'libcudnn.so.*' -o -name 'libcublasLt.so.*' \) -printf '%h\n' |
    sort -u)
  export LD_LIBRARY_PATH
  mkdir -p "$1"
  find "$root" \( -name 'cudnn*.h' -o -name 'cublas*.h' \) -exec ln -sf {} "$1/" \;
  CPLUS_INCLUDE_PATH=${CPLUS_INCLUDE_PATH:+$CPLUS_INCLUDE_PATH:}$(realpath "$1")
  export CPLUS_INCLUDE_PATH
}
