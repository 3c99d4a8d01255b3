// The worker in Node: package worker says what it does and how it is spoken
// to.
//
//	node worker.mjs                    serves the control protocol
//	node worker.mjs --check MODULE...  tells whether the modules can be used
//
// This file also has to be understood by versions of Node that are too old.

const oldest = 18;
if (parseInt(process.versions.node, 10) < oldest) {
  process.stderr.write(
    `node ${process.version} is too old: install Node ${oldest} or later\n`,
  );
  process.exit(1);
}
if (process.argv[2] === '--check') {
  import('./check.mjs').then(({ check }) => check(process.argv.slice(3)));
} else {
  import('./control.mjs').then(({ serve }) => serve());
}
