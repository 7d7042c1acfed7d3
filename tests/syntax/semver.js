// Reads `A<tab>B` and prints [canonical, canonical, order]: what the semver
// module, whose folder is given, makes of them as npm does.
const valid = require(process.argv[2] + '/functions/valid');
const compare = require(process.argv[2] + '/functions/compare');
const text = require('fs').readFileSync(0, 'utf8');
for (const line of text.split('\n').slice(0, -1)) {
  const [a, b] = line.split('\t');
  const texts = [valid(a, true), valid(b, true)];
  const order = texts.includes(null) ? null : compare(a, b, true);
  console.log(JSON.stringify([...texts, order]));
}
