import { importModule, versions } from './modules.mjs';

// check imports modules and prints one line, such as
//
//	{"node":"v20.20.2","packages":{"ws":"8.23.0"}}
//
// or exits with 1 and says on standard error what is wrong.
export async function check(paths) {
  const packages = {};
  try {
    for (const path of paths) await importModule(path);
    for (const path of paths) Object.assign(packages, await versions(path));
  } catch (error) {
    process.stderr.write(`${error.message}\n`, () => process.exit(1));
    return;
  }
  const line = JSON.stringify({ node: process.version, packages });
  process.stdout.write(`${line}\n`, () => process.exit(0));
}
