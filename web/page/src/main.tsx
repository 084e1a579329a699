import { render } from 'preact';
import { App } from './app.js';
import { takeFromAddress, tabStorage } from './credential.js';
import { readGateway } from './gateway.js';
import { Access } from './model/access.js';
import { attachEffects } from './model/effects.js';
import { Session } from './model/session.js';
import './style/main.css';

const gateway = readGateway(document);
const access = new Access(gateway.auth === 'required', tabStorage(window), takeFromAddress(window));
const session = new Session(gateway, access);
attachEffects(session);
const root = document.getElementById('app');
if (root) render(<App session={session} />, root);
// A link with another grant was followed while the page stood open.
window.addEventListener('hashchange', () => {
  const given = takeFromAddress(window);
  if (given !== null) void session.signIn(given);
});
void session.start();
