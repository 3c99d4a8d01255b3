import { Console } from 'node:console';

import { startClients } from './clients.mjs';
import * as fields from './fields.mjs';
import { readLines, writeLine } from './pipe.mjs';
import { startServer } from './server.mjs';
import { watchUsage } from './usage.mjs';

// version is that of the control protocol.
const version = 2;

const roles = { server: startServer, clients: startClients };

// serve answers the requests of the harness until it is told to stop. Only
// what goes wrong in a request is answered; an error that nobody handles
// ends the process, as in any other.
export function serve() {
  // Standard output is the control pipe.
  globalThis.console = new Console(process.stderr);
  const usage = watchUsage();
  let started; // { told, commands, stop } of the role

  async function start(args) {
    const { role } = args;
    if (started) throw new Error('started already');
    if (!Object.hasOwn(roles, role)) {
      throw new Error(
        `unknown role ${role}: Node has ${Object.keys(roles).join(', ')}`,
      );
    }
    started = await roles[role](args, tell);
    const { pid } = process;
    const runtime = `node ${process.version}`;
    return { protocol: version, pid, runtime, ...started.told };
  }

  const commands = { start, usage, stop: () => started?.stop() };

  function run(cmd, args) {
    const known = { ...started?.commands, ...commands };
    if (Object.hasOwn(known, cmd)) {
      if (cmd === 'start') agree(args);
      // To pass over a field would be to do something else than was asked for.
      const allowed = cmd === 'start' ? fields.start : fields.client;
      const field = fields.unknown(args, allowed);
      if (field !== undefined) {
        throw new Error(
          `${cmd}: this worker knows no field "${field}", ` +
            `of control protocol ${version}`,
        );
      }
      return known[cmd](args);
    }
    const now = started ? '' : ' before start';
    throw new Error(
      `unknown command ${cmd}${now}, known: ${Object.keys(known).join(', ')}`,
    );
  }

  readLines(async (line) => {
    let id, cmd, args;
    try {
      ({ id, cmd, args = {} } = JSON.parse(line));
      if (id === undefined) throw new Error('it has no id');
    } catch (error) {
      return answer({ error: `not a request: ${error.message}` });
    }
    try {
      const result = (await run(cmd, args)) ?? {};
      answer({ id, result }, cmd === 'stop' && (() => process.exit(0)));
    } catch (error) {
      answer({ id, error: error.message || String(error) });
    }
  });
}

// agree throws if a request to start is one of another version: of such a one
// nobody knows what its fields mean.
function agree({ protocol }) {
  if (protocol !== version) {
    throw new Error(
      `this worker speaks control protocol ${version}, not ${protocol}`,
    );
  }
}

function answer(what, written) {
  writeLine(JSON.stringify(what), written);
}

// tell passes on what a client sees, stamped with CLOCK_MONOTONIC in
// nanoseconds: the clock that Go's worker reads, too. The digits are put in
// by hand because numbers of JavaScript end at 2^53.
function tell(client, event) {
  const at = process.hrtime.bigint();
  const rest = JSON.stringify(event).slice(1);
  writeLine(`{"client":${client},"event":{"at":${at},${rest}}`);
}
