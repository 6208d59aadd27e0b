#!/usr/bin/env bash
# Builds everything that a release consists of into bin/release: archives of the binaries, the chart, the image, a bill of materials and
# the checksums of the files. With --publish it also pushes the image and the chart, and signs them and the checksums with the identity
# of the workflow that runs it.
#
#   test/tools/release.sh v1.2.3 linux/amd64 linux/arm64 darwin/arm64 ...
#   REGISTRY=ghcr.io/owner test/tools/release.sh --publish v1.2.3 linux/amd64 ...
set -euo pipefail
cd "$(dirname "$0")/../.."

publish=false
if [ "${1:-}" = --publish ]; then
  publish=true
  shift
fi
if [ $# -lt 2 ]; then
  echo "usage: release.sh [--publish] VERSION PLATFORM..." >&2
  exit 2
fi
tag=$1
shift
platforms=("$@")

# A chart needs a semantic version. A commit without a tag has one below every release.
version=${tag#v}
if ! [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  if $publish; then
    echo "release: $tag is not a version such as v1.2.3; nothing was built" >&2
    exit 1
  fi
  version=0.0.0-g$(git rev-parse --short=12 HEAD)
fi

if $publish; then
  : "${REGISTRY:?release: REGISTRY says where the image and the chart are pushed, for example ghcr.io/owner}"
  if ! grep -qF "## [$version]" CHANGELOG.md; then
    echo "release: CHANGELOG.md has no section ## [$version]; nothing was built" >&2
    exit 1
  fi
fi
repository=${REGISTRY:-registry.example.com}/fairlead

out=bin/release
rm -rf "$out"
mkdir -p "$out"

# binary prints the path of the binary of a platform.
binary() {
  local name=bin/fairlead-${1/\//-}
  if [[ $1 == windows/* ]]; then
    name+=.exe
  fi
  echo "$name"
}

images=()
for platform in "${platforms[@]}"; do
  rm -f "$(binary "$platform")" # another version may have been built before
  if [[ $platform == linux/* ]]; then
    images+=("$platform")
  fi
done

arguments=
if $publish; then
  arguments="--push $repository:v$version"
fi
if [ ${#images[@]} -gt 0 ]; then
  make --no-print-directory image VERSION="v$version" PLATFORMS="${images[*]}" ARGS="$arguments" | tee "$out/image.log"
fi

for platform in "${platforms[@]}"; do
  path=$(binary "$platform")
  if ! [ -f "$path" ]; then
    echo "building fairlead for $platform"
    CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} \
      go build -trimpath -ldflags "-s -w -X main.version=v$version" -o "$path" ./cmd/fairlead
  fi
  name=fairlead_${version}_${platform/\//_}
  work=$(mktemp -d)
  suffix=
  if [[ $platform == windows/* ]]; then
    suffix=.exe
  fi
  cp "$path" "$work/fairlead$suffix"
  cp LICENSE "$work/LICENSE"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work" -cf - "fairlead$suffix" LICENSE | gzip -n > "$out/$name.tar.gz"
  rm -r "$work"
  (cd test/tools && go run ./sbom --version "v$version" "../../$path") > "$out/$name.cdx.json"
done

# The default image of the chart is a placeholder.
work=$(mktemp -d)
cp -r charts/fairlead "$work/fairlead"
sed -i "s|^  repository: fairlead\$|  repository: $repository|; s|^  tag: \"\"\$|  tag: v$version|" "$work/fairlead/values.yaml"
grep -qF "repository: $repository" "$work/fairlead/values.yaml"
bin/helm package "$work/fairlead" --version "$version" --app-version "v$version" --destination "$out"
rm -r "$work"

tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C docs -cf - schemas | gzip -n > "$out/fairlead-schemas-$version.tar.gz"

digest=
if [ -f "$out/image.log" ]; then
  digest=$(grep -oE 'sha256:[0-9a-f]{64}' "$out/image.log" | head -1)
  rm "$out/image.log"
fi
(cd "$out" && sha256sum -- * > checksums.txt && sha256sum --check --quiet checksums.txt)

if ! $publish; then
  echo "$out holds version $version, image ${digest:-none}; nothing was pushed or signed"
  exit 0
fi

bin/helm push "$out/fairlead-$version.tgz" "oci://$REGISTRY/charts" 2>&1 | tee "$out/push.log"
chart=$(grep -oE 'sha256:[0-9a-f]{64}' "$out/push.log" | head -1)
rm "$out/push.log"
cosign sign --yes "$repository@$digest"
cosign sign --yes "$REGISTRY/charts/fairlead@$chart"
cosign sign-blob --yes --bundle "$out/checksums.txt.sigstore.json" "$out/checksums.txt"

# The section of the changelog is the text of the release.
awk -v heading="## [$version]" 'index($0, heading) == 1 {on = 1; next} on && /^## / {exit} on' CHANGELOG.md > bin/release-notes.md
echo "version $version is published: $repository@$digest and $REGISTRY/charts/fairlead@$chart"
