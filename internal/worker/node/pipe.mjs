// The control pipe: lines of text in both directions.

// Standard output is for the pipe alone: what a library prints goes elsewhere.
console.log = console.error;
console.info = console.error;

// readLines calls on(line) for every line on standard input. At its end the
// harness is gone, and the process ends at once.
export function readLines(on) {
  let rest = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) on(line);
  });
  process.stdin.on('end', () => process.exit());
  process.stdin.on('error', () => process.exit());
  process.stdout.on('error', () => process.exit()); // it is read no more
}

let waiting = ''; // lines that have not been written yet
let then = []; // what to call when they have been
let busy = false; // a write is scheduled or under way

// writeLine writes a line to standard output and calls written, if given, once
// the operating system has it. What one turn of the event loop has to tell,
// and all that comes while the pipe is full, leaves in one write.
export function writeLine(line, written) {
  waiting += `${line}\n`;
  if (written) then.push(written);
  if (!busy) setImmediate(write);
  busy = true;
}

function write() {
  const text = waiting;
  const told = then;
  waiting = '';
  then = [];
  process.stdout.write(text, () => {
    for (const written of told) written();
    busy = waiting !== '';
    if (busy) write();
  });
}
