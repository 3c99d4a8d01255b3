import { load } from './modules.mjs';

// startClients returns the commands for clients of a chat. It calls
// tell(client, event) for all that they see.
export async function startClients({ program }, tell) {
  const dial = await load(program, 'dial');
  const clients = new Map(); // by number; null while it connects

  function get(number) {
    const client = clients.get(number);
    if (!client) throw new Error(`unknown client ${number}: dial it first`);
    return client;
  }

  const commands = {
    async dial({ client: number, url, config = {} }) {
      if (!Number.isSafeInteger(number)) {
        throw new Error(`client is not a number but ${number}`);
      }
      if (clients.has(number)) throw new Error(`client ${number} exists`);
      clients.set(number, null);
      try {
        const on = (event) => tell(number, event);
        on({ kind: 'attempt', reason: 'asked to' });
        clients.set(number, await dial(url, config, on));
      } catch (error) {
        clients.delete(number);
        throw error;
      }
    },
    join: ({ client, room }) => get(client).join(room),
    leave: ({ client, room }) => get(client).leave(room),
    send: ({ client, message }) => get(client).send(message),
    announce: ({ client, message }) => get(client).announce(message),
    close: async ({ client }) => {
      await get(client).close();
      clients.delete(client);
    },
  };

  async function stop() {
    await Promise.all([...clients.values()].map((client) => client?.close()));
  }
  return { told: {}, commands, stop };
}
