import { render } from 'preact';
import { App } from './app.js';
import { readGateway } from './gateway.js';
import { attachEffects } from './model/effects.js';
import { Session } from './model/session.js';
import './style/main.css';

const session = new Session(readGateway(document));
attachEffects(session);
const root = document.getElementById('app');
if (root) render(<App session={session} />, root);
void session.unfinished.refresh();
