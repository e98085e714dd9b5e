// A call over WebRTC: see the documentation of package webrtc. The browser makes and
// takes the sound by itself.

const patience = 6000; // ms, for the network to let the call through

// connect begins a call, and returns what closes it. An error is "refused" if there is
// no use in trying another way.
export async function connect(microphone, page) {
  const url = new URL("webrtc", location.href);
  url.search = location.search; // the token
  const peer = new RTCPeerConnection();
  const context = new AudioContext();
  const player = new Audio();
  const close = () => {
    peer.close();
    player.srcObject = null;
    context.close();
  };
  try {
    const channel = peer.createDataChannel("parley");
    const transceiver = peer.addTransceiver(microphone.getAudioTracks()[0], { direction: "sendrecv", streams: [microphone] });
    const answer = await negotiate(peer, url, { requestData: { tell: true } });
    // What the agent says first must not be missed.
    player.srcObject = new MediaStream([transceiver.receiver.track]);
    player.autoplay = true;
    channel.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "message") page.message(message.data);
      if (message.type === "bye") page.end("");
    };
    channel.onclose = () => page.end("The connection was lost.");
    await peer.setRemoteDescription(answer);
    await opened(channel, peer);
    // Where the page may not make sound by itself, it may when it is touched.
    player.play().catch(() => addEventListener("pointerdown", () => player.play(), { once: true }));
    context.resume();

    const levels = [meter(context, microphone), meter(context, player.srcObject)];
    const timer = setInterval(() => page.levels(levels[0](), levels[1]()), 50);
    const comeBack = restarter(peer, url, answer.pc_id, page);
    peer.onconnectionstatechange = comeBack;
    return {
      close() {
        clearInterval(timer);
        channel.onclose = peer.onconnectionstatechange = null;
        if (channel.readyState === "open") channel.send(JSON.stringify({ type: "bye" }));
        setTimeout(close, 200); // when that has been sent
        player.pause();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

// negotiate makes an offer to the server, and returns its answer.
async function negotiate(peer, url, more) {
  const addresses = gathered(peer);
  await peer.setLocalDescription();
  await addresses;
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sdp: peer.localDescription.sdp, type: "offer", ...more }),
  }).catch(() => {
    throw new Error("The server cannot be reached. Is it running?"); // each browser has words of its own
  });
  if (response.ok) return response.json();
  const mend = response.status === 401 ? " Is the token in the address right (?token=…)?" : "";
  const error = new Error(`The call was refused: ${(await response.text()).trim()}.${mend}`);
  error.told = true; // by the server
  error.refused = response.status < 500;
  throw error;
}

// restarter returns what looks for another way to the server when the one there was is
// lost, as from one network to the next. The call goes on there for a while.
function restarter(peer, url, id, page) {
  const lost = () => page.end("The connection was lost.");
  let trying = false;
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  return async () => {
    if (!["disconnected", "failed"].includes(peer.connectionState) || trying) return;
    trying = true;
    page.waiting(true);
    await sleep(1500); // it may come back by itself
    for (let attempts = 5; peer.connectionState !== "connected"; attempts--) {
      try {
        peer.restartIce();
        const answer = await negotiate(peer, url, { pc_id: id });
        if (answer.pc_id !== id) return lost(); // the call is over, and this would be another
        await peer.setRemoteDescription(answer);
        await sleep(3000);
      } catch (error) {
        if (attempts === 0 || error.refused || peer.signalingState === "closed") return lost();
        await sleep(2000);
      }
    }
    trying = false;
    page.waiting(false);
  };
}

// gathered waits for the addresses under which the browser can be reached, but not
// for those that take long.
function gathered(peer) {
  return new Promise((resolve) => {
    peer.addEventListener("icecandidate", ({ candidate }) => candidate ?? resolve());
    setTimeout(resolve, 1000);
  });
}

function opened(channel, peer) {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error("The network does not let WebRTC through to the server."));
    channel.onopen = resolve;
    peer.onconnectionstatechange = () => peer.connectionState === "failed" && failed();
    setTimeout(failed, patience);
  });
}

// meter returns a function that returns the peak of what was heard since the last
// time, at most a twentieth of a second.
function meter(context, stream) {
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    return samples.reduce((loudest, s) => Math.max(loudest, Math.abs(s)), 0);
  };
}
