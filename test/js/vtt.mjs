// Reads WebVTT on standard input with the parser of the specification's own
// validator, and prints what it makes of it as JSON: cues, with the entities in
// their texts replaced, and errors, of which a valid file has none.
import { readFileSync } from 'node:fs';
import parser from 'webvtt-parser';

const text = (node) => node.type === 'text' ? node.value : node.children.map(text).join('');
const voice = (node) => node.name === 'v' ? node.value : node.children?.map(voice).find(Boolean);

// The parser's own table of entities knows none with a semicolon.
const entities = JSON.parse(readFileSync('node_modules/webvtt-parser/html-entities.json', 'utf8'));
const { cues, errors } = new parser.WebVTTParser(entities).parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify({
  cues: cues.map((cue) => ({ id: cue.id, start: cue.startTime, end: cue.endTime, voice: voice(cue.tree), text: text(cue.tree) })),
  errors: errors.map((error) => `${error.line}: ${error.message}`),
}));
