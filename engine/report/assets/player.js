"use strict";
(async () => {
  const element = (id) => document.getElementById(id);
  const data = JSON.parse(element("data").textContent);
  const { times, keys, gaps } = data;
  const last = times.length - 1;
  const root = document.documentElement;

  // Arrays: base64 -> gzip -> typed arrays, see engine/report/player.py ---------------------------------------------
  const zipped = Uint8Array.from(atob(data.bytes), (c) => c.charCodeAt(0));
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  const block = await new Response(stream).arrayBuffer();
  const kinds = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
  const array = (name) => {
    const [kind, offset, count] = data.arrays[name];
    return new kinds[kind](block, offset, count);
  };
  const has = (name) => name in data.arrays;

  // Changes from frame to frame, low bytes and then high bytes, folded: the inverse of _changes in player.py.
  const unfold = (name, width, base) => {
    const bytes = array(name), count = bytes.length / 2, values = new Uint16Array(count);
    for (let i = 0; i < count; i++) {
      const folded = bytes[i] | (bytes[count + i] << 8);
      const change = folded & 1 ? -((folded + 1) >> 1) : folded >> 1;
      values[i] = (i < width ? 0 : values[i - width]) + change;
    }
    if (base) for (let i = 0; i < count; i++) values[i] += base[i];
    return values;
  };

  const actors = data.actors.map((info, number) => {
    const name = `a${number}`, count = info.joints.length, width = 10 * count;
    const result = unfold(`${name}.result`, width);
    const world = array(`${name}.world`);
    return {
      info, name, count, width,
      moved: array(`${name}.translations`), grown: array(`${name}.scales`),
      takes: data.takes.map((take, i) => (take === "result" ? result : unfold(`${name}.${i}`, width, result))),
      worlds: data.takes.map((_, i) => (has(`${name}.world.${i}`) ? array(`${name}.world.${i}`) : world)),
    };
  });

  // The scene -------------------------------------------------------------------------------------------------------
  const canvas = element("view"), stage = canvas.parentElement;
  let renderer = null;
  const context = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
  if (context) renderer = new THREE.WebGLRenderer({ canvas, context, antialias: true, alpha: true });
  else {
    element("trouble").hidden = false;
    element("trouble").textContent = "This browser draws no 3D (WebGL 2 is off); the video and plots below show the same.";
  }
  const scene = new THREE.Scene();
  const camera = new THREE.PerspectiveCamera(35, 1, 0.01, 1000);
  const up = data.up === "Z" ? new THREE.Vector3(0, 0, 1) : new THREE.Vector3(0, 1, 0);
  camera.up.copy(up);
  scene.add(new THREE.HemisphereLight(0xffffff, 0x8a8f99, 1.7));
  const sun = new THREE.DirectionalLight(0xffffff, 1.6);
  scene.add(sun, sun.target);
  const low = new THREE.Vector3(...data.box[0]), high = new THREE.Vector3(...data.box[1]);
  const middle = low.clone().add(high).multiplyScalar(0.5);
  const radius = Math.max(high.distanceTo(low) / 2, 1e-6);
  const power = 10 ** Math.floor(Math.log10(radius));
  const side = Math.ceil((4 * radius) / power) * power;
  const grid = new THREE.GridHelper(side, Math.round(side / power), 0x8892a0, 0x8892a0);
  grid.material.transparent = true;
  grid.material.opacity = 0.35;
  if (data.up === "Z") grid.rotation.x = Math.PI / 2;
  grid.position.copy(middle);
  grid.position[data.up.toLowerCase()] = low[data.up.toLowerCase()];
  scene.add(grid);
  sun.position.copy(middle).addScaledVector(up, 3 * radius).add(new THREE.Vector3(radius, 0, data.up === "Z" ? -radius : radius));
  sun.target.position.copy(middle);

  const textures = await Promise.all(data.textures.map(async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const texture = new THREE.Texture(image);
    texture.colorSpace = THREE.SRGBColorSpace;
    texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
    texture.needsUpdate = true;
    return texture;
  }));

  const geometries = actors.map(({ name, info, count }) => {
    const geometry = new THREE.BufferGeometry();
    const points = array(`${name}.points`), positions = new Float32Array(points.length);
    for (let i = 0; i < points.length; i++) positions[i] = info.low[i % 3] + (points[i] / 65535) * info.side;
    const raw = array(`${name}.colors`), colors = new Float32Array(raw.length);
    const color = new THREE.Color();
    for (let i = 0; i < raw.length; i += 3) {
      color.setRGB(raw[i] / 255, raw[i + 1] / 255, raw[i + 2] / 255, THREE.SRGBColorSpace).toArray(colors, i);
    }
    geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    geometry.setAttribute("normal", new THREE.BufferAttribute(array(`${name}.normals`), 3, true));
    geometry.setAttribute("color", new THREE.BufferAttribute(colors, 3));
    geometry.setAttribute("uv", new THREE.BufferAttribute(array(`${name}.uvs`), 2));
    geometry.setAttribute("skinIndex", new THREE.BufferAttribute(array(`${name}.joints`), 4));
    geometry.setAttribute("skinWeight", new THREE.BufferAttribute(array(`${name}.weights`), 4, true));
    geometry.setIndex(new THREE.BufferAttribute(array(`${name}.faces`), 1));
    info.groups.forEach(([first, faces], i) => geometry.addGroup(3 * first, 3 * faces, i));
    const inverses = [], flat = array(`${name}.inverse`);
    for (let j = 0; j < count; j++) inverses.push(new THREE.Matrix4().fromArray(flat, 16 * j).transpose());
    inverses.push(new THREE.Matrix4());
    return { geometry, inverses };
  });

  // A puppet is one character in one pose. `tint` makes it a translucent ghost of that colour.
  const puppet = (number, tint) => {
    const actor = actors[number], { geometry, inverses } = geometries[number];
    const group = new THREE.Group();
    group.matrixAutoUpdate = false;
    const bones = actor.info.joints.map(() => new THREE.Bone());
    actor.info.parents.forEach((parent, j) => (parent < 0 ? group : bones[parent]).add(bones[j]));
    const still = new THREE.Bone(); // carries what no joint moves
    group.add(still);
    const side = actor.info.sided || tint ? THREE.DoubleSide : THREE.FrontSide;
    const materials = actor.info.groups.map(([, , texture]) =>
      tint
        ? new THREE.MeshLambertMaterial({ color: tint, transparent: true, opacity: 0.28, depthWrite: false, side })
        : new THREE.MeshLambertMaterial({ vertexColors: true, map: texture < 0 ? null : textures[texture], side }));
    const mesh = new THREE.SkinnedMesh(geometry, materials);
    mesh.frustumCulled = false;
    group.add(mesh);
    scene.add(group);
    group.updateMatrixWorld(true);
    mesh.bind(new THREE.Skeleton([...bones, still], inverses), new THREE.Matrix4());
    return { actor, group, bones, mesh };
  };

  // `now` is the frame that the clock shows where the pose is that of a key before it.
  const pose = ({ actor, group, bones, mesh }, take, frame, now = frame) => {
    actor.info.groups.forEach(([, , , seen], i) => { mesh.material[i].visible = !seen || seen[now] === 1; });
    const values = actor.takes[take], at = frame * actor.width, n = 3 * actor.count;
    const { moved, grown } = actor;
    bones.forEach((bone, j) => {
      const v = at + 10 * j, c = 3 * j;
      const mixed = (table, k, place) => table[c + k] + (values[v + place] / 65535) * table[n + c + k];
      bone.position.set(mixed(moved, 0, 0), mixed(moved, 1, 1), mixed(moved, 2, 2));
      const q = [3, 4, 5, 6].map((k) => (values[v + k] - 32768) / 32767);
      bone.quaternion.set(q[1], q[2], q[3], q[0]).normalize();
      bone.scale.set(mixed(grown, 0, 7), mixed(grown, 1, 8), mixed(grown, 2, 9));
    });
    const m = actor.worlds[take], w = 12 * frame;
    group.matrix.set(...m.subarray(w, w + 12), 0, 0, 0, 1);
    group.matrixWorldNeedsUpdate = true;
  };

  // Frames ----------------------------------------------------------------------------------------------------------
  const nearest = (time) => {
    let best = 0;
    for (let i = 1; i <= last; i++) if (Math.abs(times[i] - time) < Math.abs(times[best] - time)) best = i;
    return best;
  };
  const keyFrames = [...new Set(keys.filter((k) => k >= times[0] - 1e-6 && k <= times[last] + 1e-6).map(nearest))];
  const held = times.map((_, i) => keyFrames.reduce((at, k) => (k <= i ? k : at), keyFrames[0] ?? 0));
  const resultTake = data.takes.indexOf("result");
  const state = { frame: keyFrames[0] ?? 0, take: String(resultTake), other: "", playing: false, clock: 0, speed: 1, loop: null };

  const shown = (take) => (take === "keys" ? [resultTake, held[state.frame]] : [Number(take), state.frame]);
  const css = (name) => new THREE.Color(getComputedStyle(root).getPropertyValue(name).trim() || "#888");
  let main = [], beside = [], ghosts = [], lines = [];

  const build = () => {
    if (!renderer) return;
    main = actors.map((_, i) => puppet(i, null));
    beside = actors.map((_, i) => puppet(i, css("--slerp")));
    beside.forEach(({ group }) => { group.visible = false; });
    lines = actors.map((actor) => {
      const geometry = new THREE.BufferGeometry();
      geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(6 * actor.count), 3));
      const line = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color: css("--keys"), depthTest: false }));
      line.frustumCulled = false;
      line.visible = false;
      line.renderOrder = 2;
      scene.add(line);
      return line;
    });
  };
  const mostGhosts = 24;
  const makeGhosts = () => {
    const stride = Math.ceil(keyFrames.length / mostGhosts);
    ghosts = keyFrames.filter((_, i) => i % stride === 0).flatMap((frame) => actors.map((_, i) => {
      const ghost = puppet(i, css("--keys"));
      pose(ghost, resultTake, frame);
      return ghost;
    }));
  };

  const from = new THREE.Vector3(), to = new THREE.Vector3();
  const drawBones = () => lines.forEach((line, i) => {
    if (!line.visible) return;
    const { bones, group } = main[i], positions = line.geometry.attributes.position;
    group.updateMatrixWorld(true);
    bones.forEach((bone, j) => {
      bone.getWorldPosition(to);
      if (bone.parent.isBone) bone.parent.getWorldPosition(from); else from.copy(to);
      positions.setXYZ(2 * j, from.x, from.y, from.z);
      positions.setXYZ(2 * j + 1, to.x, to.y, to.z);
    });
    positions.needsUpdate = true;
  });

  const cursors = [...document.querySelectorAll(".chart svg")];
  let drawn = false;
  function draw() {
    const time = times[state.frame];
    element("scrub").value = state.frame;
    const isKey = keyFrames.includes(state.frame);
    element("clock").textContent = `time code ${+time.toFixed(3)}${isKey ? ", key" : ""}`;
    element("scrub").setAttribute("aria-valuetext", element("clock").textContent);
    for (const svg of cursors) {
      const { left, right, start, end } = svg.dataset;
      const x = +left + ((time - start) / (end - start || 1)) * (right - left);
      const line = svg.querySelector(".cursor");
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    if (!renderer || drawn) return;
    drawn = true;
    requestAnimationFrame(render);
  }
  function render() {
    drawn = false;
    main.forEach((p) => pose(p, ...shown(state.take), state.frame));
    beside.forEach((p) => { p.group.visible = state.other !== ""; if (p.group.visible) pose(p, ...shown(state.other), state.frame); });
    drawBones();
    renderer.render(scene, camera);
    root.dataset.drawn = state.frame; // tests wait for it
  }

  // Controls --------------------------------------------------------------------------------------------------------
  const range = () => (state.loop === null ? [0, last] : gaps[state.loop].map(nearest));
  const go = (frame) => { state.frame = Math.min(last, Math.max(0, frame)); draw(); };
  const step = (by) => { play(false); go(state.frame + by); };
  let before = 0;
  const tick = (now) => {
    if (!state.playing) return;
    const [first, end] = range();
    state.clock += ((now - before) / 1000) * data.fps * state.speed;
    before = now;
    const whole = Math.floor(state.clock);
    if (whole > 0) {
      state.clock -= whole;
      const next = state.frame + whole;
      go(next > end || next < first ? first : next);
    }
    requestAnimationFrame(tick);
  };
  const play = (on) => {
    if (on === state.playing) return;
    state.playing = on;
    element("play").textContent = on ? "Pause" : "Play";
    if (on) { before = performance.now(); state.clock = 0; requestAnimationFrame(tick); }
  };
  const loop = (index) => {
    state.loop = index;
    element("loop").value = index === null ? "" : String(index);
    document.querySelectorAll("tr[data-start]").forEach((row) => row.classList.toggle("chosen", index !== null && +row.dataset.start === gaps[index][0]));
    if (index !== null) go(nearest(gaps[index][0]));
  };
  const choose = (take) => { state.take = take; element("take").value = take; draw(); };
  const ghostly = (on) => {
    element("ghosts").checked = on;
    if (on && !ghosts.length && renderer) makeGhosts();
    ghosts.forEach(({ group }) => { group.visible = on; });
    draw();
  };
  const bony = (on) => { element("bones").checked = on; lines.forEach((line) => { line.visible = on; }); draw(); };

  element("play").onclick = () => play(!state.playing);
  element("back").onclick = () => step(-1);
  element("next").onclick = () => step(1);
  element("scrub").oninput = (event) => { play(false); go(+event.target.value); };
  element("take").onchange = (event) => choose(event.target.value);
  element("other").onchange = (event) => {
    state.other = event.target.value;
    const name = data.takes[+state.other];
    beside.forEach(({ mesh }) => mesh.material.forEach((m) => m.color.copy(css(["slerp", "result", "truth"].includes(name) ? `--${name}` : "--other"))));
    draw();
  };
  element("loop").onchange = (event) => { loop(event.target.value === "" ? null : +event.target.value); play(true); };
  element("speed").onchange = (event) => { state.speed = +event.target.value; };
  element("ghosts").onchange = (event) => ghostly(event.target.checked);
  element("bones").onchange = (event) => bony(event.target.checked);
  document.querySelectorAll("tr[data-start]").forEach((row) => {
    const chosen = () => {
      loop(gaps.findIndex(([start, end]) => start === +row.dataset.start && end === +row.dataset.end));
      play(true);
      stage.scrollIntoView({ block: "nearest" });
    };
    row.onclick = chosen;
    row.onkeydown = (event) => { if (event.key === "Enter") chosen(); };
  });
  for (const svg of cursors) svg.onclick = (event) => {
    const { left, right, start, end } = svg.dataset, box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    play(false);
    go(nearest(+start + ((x - left) / (right - left)) * (end - start)));
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target.tagName;
    if (at === "SELECT" || at === "VIDEO" || at === "SUMMARY" || (at === "BUTTON" && event.key === " ")) return;
    if (at === "INPUT" && event.target.type === "range" && event.key.startsWith("Arrow")) return;
    const actions = {
      " ": () => play(!state.playing),
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      Home: () => step(-last),
      End: () => step(last),
      "[": () => { play(false); go(keyFrames.filter((k) => k < state.frame).pop() ?? 0); },
      "]": () => { play(false); go(keyFrames.find((k) => k > state.frame) ?? last); },
      c: () => { const select = element("other"); select.selectedIndex = (select.selectedIndex + 1) % select.options.length; select.dispatchEvent(new Event("change")); },
      g: () => ghostly(!element("ghosts").checked),
      b: () => bony(!element("bones").checked),
      h: () => home(),
      Escape: () => { loop(null); play(false); },
    };
    const digit = "123456789".indexOf(event.key);
    const action = actions[event.key] ?? (digit >= 0 && event.key !== "" ? () => { const option = element("take").options[digit]; if (option) choose(option.value); } : null);
    if (!action) return;
    event.preventDefault();
    action();
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));

  const ticks = element("ticks");
  for (const frame of keyFrames) {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x: 8 + (984 * frame) / (last || 1) - 1, y: 0, width: 2, height: 8 })) rect.setAttribute(name, value);
    ticks.append(rect);
  }

  // The camera ------------------------------------------------------------------------------------------------------
  let controls = null;
  const home = () => {
    const distance = (1.05 * radius) / Math.sin((camera.fov * Math.PI) / 360) / Math.min(1, camera.aspect);
    const angle = Math.PI / 3; // three quarters from the front
    const flat = data.up === "Z" ? new THREE.Vector3(Math.sin(angle), -Math.cos(angle), 0) : new THREE.Vector3(Math.sin(angle), 0, Math.cos(angle));
    camera.position.copy(middle).addScaledVector(flat, 0.97 * distance).addScaledVector(up, 0.24 * distance);
    camera.near = distance / 100;
    camera.far = distance * 20;
    camera.updateProjectionMatrix();
    if (controls) { controls.target.copy(middle); controls.update(); }
    draw();
  };
  element("home").onclick = home;
  if (renderer) {
    renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    controls = new THREE.OrbitControls(camera, canvas);
    controls.addEventListener("change", draw);
    const fit = () => {
      const { clientWidth: width, clientHeight: height } = canvas;
      if (!width || !height) return;
      renderer.setSize(width, height, false);
      camera.aspect = width / height;
      camera.updateProjectionMatrix();
      draw();
    };
    fit();
    new ResizeObserver(fit).observe(canvas);
  }
  build();
  home();
  // A link may name a moment: report.html#at=24&take=slerp&ghosts&play
  const asked = new URLSearchParams(location.hash.slice(1));
  if (asked.has("at") && Number.isFinite(+asked.get("at"))) go(nearest(+asked.get("at")));
  const wanted = [...element("take").options].find((option) => option.textContent === asked.get("take"));
  if (wanted) choose(wanted.value);
  if (asked.has("ghosts")) ghostly(true);
  if (asked.has("play")) play(true);
  root.dataset.ready = renderer ? "3d" : "flat"; // tests wait for it
})();
