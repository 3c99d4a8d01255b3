// The modules of a chat: a server or a client each.

import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// load returns what the module at a path, which may be relative to the working
// directory, exports under a name. Where packages are missing or broken, the
// error names the command that mends it.
export async function load(path, name) {
  if (!path) throw new Error('program is missing');
  const module = await importModule(path);
  if (!module[name]) throw new Error(`${path} does not export ${name}`);
  return module[name];
}

// importModule imports the module at a path.
export async function importModule(path) {
  try {
    return await import(pathToFileURL(resolve(path)));
  } catch (error) {
    if (!/Cannot find package|node_modules/.test(error.stack)) throw error;
    const mend = `npm ci --prefix ${relative('', dirname(path)) || '.'}`;
    throw new Error(`${error.message}; mend it with: ${mend}`, {
      cause: error,
    });
  }
}

// versions returns the versions of the packages that a module's package.json
// asks for, by their names there, as they are installed next to it.
export async function versions(path) {
  const folder = dirname(resolve(path));
  const read = async (...names) =>
    JSON.parse(await readFile(join(folder, ...names, 'package.json'), 'utf8'));
  const { dependencies = {} } = await read();
  const found = {};
  for (const name of Object.keys(dependencies)) {
    found[name] = (await read('node_modules', name)).version;
  }
  return found;
}
