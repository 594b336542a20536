// A bundle's three graphs in onnxruntime-web: node replay.mjs BUNDLE REQUESTS.json
// Each request is answered from tokens and history vectors on; prints the places of its ten best candidates.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [bundle, requests] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

const open = async (role) => ort.InferenceSession.create(await readFile(`${bundle}/${role}.onnx`), { executionProviders: ["wasm"] });
const float = ({ shape, data }) => new ort.Tensor("float32", Float32Array.from(data), shape);
const int = ({ shape, data }) => new ort.Tensor("int64", BigInt64Array.from(data, BigInt), shape);
const [encoder, user, scorer] = [await open("encoder"), await open("user"), await open("scorer")];

const answers = [];
for (const { encoder: text, user: history, scorer: candidates } of JSON.parse(await readFile(requests))) {
  const vectors = float(history.vectors);
  if (text) {
    const { vector } = await encoder.run({ input_ids: int(text.input_ids), attention_mask: int(text.attention_mask) });
    vectors.data.set(vector.data, vectors.data.length - vector.data.length); // what was typed stands last
  }
  const person = (await user.run({ vectors, kinds: int(history.kinds), mask: float(history.mask) })).user;
  const { scores } = await scorer.run({
    user: person,
    candidates: float(candidates.candidates),
    features: float(candidates.features),
  });
  const order = [...scores.data.keys()].sort((a, b) => scores.data[b] - scores.data[a] || a - b);
  answers.push(order.slice(0, 10));
}
console.log(JSON.stringify(answers));
