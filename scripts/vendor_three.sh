#!/bin/sh
# Makes engine/report/assets/three.min.js anew: what the player of reports takes of three.js, as one minified file.
# Needs npm and the network; the file is in the repository, so that nothing else does.
set -eu
THREE=0.180.0
ESBUILD=0.25.10
assets=$(cd "$(dirname "$0")/../engine/report/assets" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm init --yes >/dev/null
npm install --ignore-scripts --no-audit --no-fund "three@$THREE" "esbuild@$ESBUILD" >/dev/null
cat >entry.js <<'ENTRY'
export {
  Bone, BufferAttribute, BufferGeometry, Color, DirectionalLight, DoubleSide, FrontSide, GridHelper, Group,
  HemisphereLight, LineBasicMaterial, LineSegments, Matrix4, MeshLambertMaterial, PerspectiveCamera, RepeatWrapping,
  Scene, Skeleton, SkinnedMesh, SRGBColorSpace, Texture, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
ENTRY
# A classic script and no module: pages opened from a file cannot import, and a page's policy knows it by its hash.
npx esbuild entry.js --bundle --minify --format=iife --global-name=THREE --legal-comments=none --outfile=bundle.js
{
  echo "/* three.js $THREE with its OrbitControls, Copyright 2010-2025 three.js authors, MIT licence: THREE_LICENSE. */"
  cat bundle.js
} >"$assets/three.min.js"
cp node_modules/three/LICENSE "$assets/THREE_LICENSE"
