// The journey of a new applicant as a k6 script: the same sixteen requests, bodies and checks of the status as ours.
import exec from 'k6/execution';
import http from 'k6/http';
import { SharedArray } from 'k6/data';

const people = new SharedArray('people', () => JSON.parse(open(`${__ENV.FOLDER}/people.json`)));
const photo = open(`${__ENV.FOLDER}/photo.jpg`, 'b');
const url = __ENV.TARGET;
const json = 'application/json';

export const options = {
  vus: 20,
  duration: '60s',
  noVUConnectionReuse: true, // a connection for each registrant
  summaryTrendStats: ['med', 'p(99)'],
};

function ask(status, method, path, body, headers, type) {
  const said = body === null ? headers : { 'Content-Type': type || json, ...headers };
  const sent = body === null || type ? body : JSON.stringify(body);
  const answer = http.request(method, url + path, sent, { headers: said, tags: { name: path.split('?')[0] } });
  if (answer.status !== status) exec.test.abort(`${method} ${path} answered ${answer.status}: ${answer.body}`);
  return answer.json();
}

export default function () {
  const number = exec.scenario.iterationInTest;
  const person = people[number];
  const lab = { 'Lab-Token': 'any' };
  const code = (to) => ask(200, 'GET', `/lab/outbox?to=${encodeURIComponent(to)}`, null, lab).code;
  let session = {};
  const write = (step, status, method, path, body, type) =>
    ask(status, method, path, body, { ...session, 'Idempotency-Key': `k6-${number}-${step}` }, type);

  const wave = ask(200, 'GET', '/api/v1/waves/current', null, {}).wave;
  write(2, 201, 'POST', '/api/v1/accounts', person.account);
  write(3, 200, 'POST', '/api/v1/email-confirmations', { email: person.email, code: code(person.email) });
  const login = { email: person.email, password: person.account.password };
  session = { Authorization: `Bearer ${ask(201, 'POST', '/api/v1/sessions', login, {}).token}` };
  write(5, 201, 'POST', '/api/v1/identity', person.identity);
  write(6, 200, 'PUT', '/api/v1/profile', person.personal);
  write(7, 201, 'PUT', '/api/v1/photos/ktp', photo, 'image/jpeg');
  write(8, 201, 'PUT', '/api/v1/photos/selfie', photo, 'image/jpeg');
  write(9, 202, 'POST', '/api/v1/phone-codes', { phone: person.phone });
  write(10, 200, 'POST', '/api/v1/phone-confirmations', { phone: person.phone, code: code(person.phone) });
  const test = ask(200, 'GET', '/api/v1/test', null, session);
  const answers = test.questions.map((question) => question.number % 4);
  write(12, 201, 'POST', '/api/v1/test-answers', { test: test.test, answers });
  write(13, 201, 'POST', `/api/v1/waves/${wave}/joins`, { declaration: true });
  ask(200, 'GET', '/api/v1/status', null, session);
}
