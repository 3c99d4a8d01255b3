// A chat in a browser over a plain WebSocket: it joins a room, shows what is
// said there and lets the page say something.
const socket = new WebSocket('ws://localhost/ws');
const send = (type, data) => socket.send(JSON.stringify({ type, data }));
socket.onopen = () => send('join', { room: 'lobby' });
socket.onmessage = ({ data }) => console.log(JSON.parse(data));
globalThis.say = (body) => send('chat', { room: 'lobby', body });
