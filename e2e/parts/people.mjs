// Who takes part. Passwords are words that occur nowhere else, so that a leak of one is seen.
export const GROUP = 'jellyfin-users';
export const people = {
  ana: { email: 'ana@example.test', name: 'Ana Allowed', password: 'canary-pass-ana-7Qx2', groups: [GROUP, 'family'] },
  eve: { email: 'eve@example.test', name: 'Eve Elsewhere', password: 'canary-pass-eve-9Kz4', groups: ['strangers'] },
};
export const CLIENT_SECRET = 'canary-client-secret-5Vw8';
