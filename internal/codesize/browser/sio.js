// A chat in a browser over Socket.IO: it joins a room, shows what is said there
// and lets the page say something. The same for versions 2 and 4 of the client.
import io from 'socket.io-client';

const socket = io('http://localhost');
socket.on('connect', () => socket.emit('join', { room: 'lobby' }));
socket.on('chat', (data) => console.log(data));
globalThis.say = (body) => socket.emit('chat', { room: 'lobby', body });
