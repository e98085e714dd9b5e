// Holds a conversation with whatever the environment says is Bedrock, with
// AWS's SDK for JavaScript as it is, and prints each event as a line of JSON.
//
//	node talk.mjs question.pcm
//
// The file is what the user says: raw PCM, 16 bits, 16 kHz, mono. It is said
// first; tools are answered; when the assistant has finished its answer to
// that, it is asked to say goodbye, in writing.

import { readFileSync } from "node:fs";
import { createHash, randomUUID } from "node:crypto";
import {
  BedrockRuntimeClient,
  InvokeModelWithBidirectionalStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";

const speech = readFileSync(process.argv[2]);
const promptName = randomUUID();
const audioName = randomUUID();

// The client's side: a queue of events that the SDK takes one by one.
const queue = [];
let wake = () => {};
let over = false;
const send = (name, body) => {
  queue.push({ event: { [name]: body } });
  wake();
};
const finish = () => {
  over = true;
  wake();
};
async function* input() {
  for (;;) {
    while (queue.length > 0) {
      yield { chunk: { bytes: Buffer.from(JSON.stringify(queue.shift())) } };
    }
    if (over) return;
    await new Promise((resolve) => (wake = resolve));
  }
}

const textBlock = (role, interactive, content) => {
  const contentName = randomUUID();
  send("contentStart", {
    promptName, contentName, type: "TEXT", interactive, role,
    textInputConfiguration: { mediaType: "text/plain" },
  });
  send("textInput", { promptName, contentName, content });
  send("contentEnd", { promptName, contentName });
};

const toolBlock = (toolUseId, content) => {
  const contentName = randomUUID();
  send("contentStart", {
    promptName, contentName, interactive: false, type: "TOOL", role: "TOOL",
    toolResultInputConfiguration: {
      toolUseId, type: "TEXT", textInputConfiguration: { mediaType: "text/plain" },
    },
  });
  send("toolResult", { promptName, contentName, content });
  send("contentEnd", { promptName, contentName });
};

// The microphone: 32 ms at a time, as captured; silence when all has been said.
let said = 0;
const frame = 1024;
const microphone = setInterval(() => {
  if (queue.length > 50) return;
  const chunk = Buffer.alloc(frame);
  if (said < speech.length) speech.copy(chunk, 0, said, said + frame);
  said += frame;
  send("audioInput", { promptName, contentName: audioName, content: chunk.toString("base64") });
}, 32);

send("sessionStart", {
  inferenceConfiguration: { maxTokens: 1024, topP: 0.9, temperature: 0.7 },
  turnDetectionConfiguration: { endpointingSensitivity: "HIGH" },
});
send("promptStart", {
  promptName,
  textOutputConfiguration: { mediaType: "text/plain" },
  audioOutputConfiguration: {
    mediaType: "audio/lpcm", sampleRateHertz: 24000, sampleSizeBits: 16, channelCount: 1,
    voiceId: "tiffany", encoding: "base64", audioType: "SPEECH",
  },
  toolUseOutputConfiguration: { mediaType: "application/json" },
  toolConfiguration: {
    tools: [{
      toolSpec: {
        name: "opening_hours",
        description: "When the shop is open.",
        inputSchema: { json: JSON.stringify({ type: "object", properties: { day: { type: "string" } } }) },
      },
    }],
  },
});
textBlock("SYSTEM", false, "You keep a shop.");
textBlock("USER", false, "Hello.");
textBlock("ASSISTANT", false, "Good morning.");
send("contentStart", {
  promptName, contentName: audioName, type: "AUDIO", interactive: true, role: "USER",
  audioInputConfiguration: {
    mediaType: "audio/lpcm", sampleRateHertz: 16000, sampleSizeBits: 16, channelCount: 1,
    audioType: "SPEECH", encoding: "base64",
  },
});

const client = new BedrockRuntimeClient({});
const digest = createHash("sha256");
let answers = 0;
try {
  const response = await client.send(
    new InvokeModelWithBidirectionalStreamCommand({ modelId: "amazon.nova-2-sonic-v1:0", body: input() }),
  );
  for await (const item of response.body) {
    const { event } = JSON.parse(Buffer.from(item.chunk.bytes).toString());
    const [name, body] = Object.entries(event)[0];
    if (name === "audioOutput") {
      const pcm = Buffer.from(body.content, "base64");
      digest.update(pcm);
      console.log(JSON.stringify({ name, samples: pcm.length / 2 }));
    } else {
      console.log(JSON.stringify({ name, type: body.type, role: body.role, content: body.content, stopReason: body.stopReason, tool: body.toolName }));
    }
    if (name === "toolUse") {
      toolBlock(body.toolUseId, JSON.stringify({ hours: "nine to five", asked: JSON.parse(body.content) }));
    }
    if (name === "contentEnd" && body.type === "AUDIO" && body.stopReason === "END_TURN") {
      answers++;
      if (answers === 1) {
        textBlock("USER", true, "Say goodbye.");
      } else {
        clearInterval(microphone);
        send("contentEnd", { promptName, contentName: audioName });
        send("promptEnd", { promptName });
        send("sessionEnd", {});
        finish();
      }
    }
  }
  console.log(JSON.stringify({ name: "end", sha256: digest.digest("hex") }));
} catch (error) {
  console.log(JSON.stringify({ name: "error", error: error.name, message: error.message, request: error.$metadata?.requestId }));
  process.exitCode = 1;
} finally {
  clearInterval(microphone);
  client.destroy();
}
