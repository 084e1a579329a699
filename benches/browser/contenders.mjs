// Who is measured, in which page of page/, and with what.
const MiB = 1 << 20;
const common = ({ key, prefix }) => ({ key, prefix });
const gateway = ({ gateway }) => ({ gateway });

const sized = (name, page, sizes) => sizes.map((mib) => ({
  name: `${name} ${mib} MiB`, page, options: (context) => ({ ...common(context), partSize: mib * MiB }),
  ...(mib === 64 && { against: 'bare 64 MiB ×6' }),
}));

const ours = (mib, checksum) => ({
  name: `partgate ${mib} MiB, ${checksum === 'none' ? 'no checksum' : checksum}`, page: 'partgate',
  options: (context) => ({ ...gateway(context), checksum, partSize: mib * MiB, maxConnections: 6 }),
  ...(mib === 64 && { against: 'bare 64 MiB ×6' }),
});

export const needsGateway = ({ page }) => page === 'partgate';

/// `against`: whose time is 1; the bare loop of 10 MiB (of files) where it is not said.
/// `atGateway`: in a page of the gateway's origin, whose calls have no preflights.
export const contenders = [
  { name: 'bare 10 MiB ×6', page: 'bare', options: (context) => ({ ...common(context), partSize: 10 * MiB }) },
  ours(10, 'none'),
  ours(10, 'crc64nvme'),
  { name: 'bare 64 MiB ×6', page: 'bare', options: (context) => ({ ...common(context), partSize: 64 * MiB }) },
  ours(64, 'none'),
  ours(64, 'crc64nvme'),
  { name: 'partgate as it comes', page: 'partgate', options: gateway },
  { name: 'one PUT of the File', page: 'bare', options: common },
  { name: 'Uppy 5.2 as it comes (5 MiB)', page: 'uppy5', options: common },
  ...sized('Uppy 5.2', 'uppy5', [10, 64]),
  { name: 'Uppy 6.3 as it comes (5 MiB)', page: 'uppy6', options: common },
  ...sized('Uppy 6.3', 'uppy6', [10, 64]),
  { name: 'better-upload 2.0 as it comes (50 MiB)', page: 'better', options: () => ({ route: 'default' }) },
  { name: 'better-upload 2.0 10 MiB', page: 'better', options: () => ({ route: 'part10' }) },
  { name: 'better-upload 2.0 64 MiB', page: 'better', options: () => ({ route: 'part64' }), against: 'bare 64 MiB ×6' },
  { name: 'tus-js-client 4.3 → tus/server, S3', page: 'tus', options: () => ({ endpoint: '/tus-s3' }) },
  { name: 'tus-js-client 4.3 → tus/server, files', page: 'tus', options: () => ({ endpoint: '/tus-file' }), where: 'tus-file' },
  {
    name: 'evaporate 2.1 10 MiB, MD5', page: 'evaporate',
    options: ({ key, endpoint, bucket, region, accessKeyId }) => ({ key, endpoint, bucket, region, accessKeyId, partSize: 10 * MiB }),
  },

  { name: 'files: bare', page: 'bare', many: true, options: common },
  { name: 'files: bare, preflights remembered', page: 'bare', many: true, options: (context) => ({ ...common(context), again: true }) },
  { name: 'files: partgate, no checksum', page: 'partgate', many: true, options: (context) => ({ ...gateway(context), checksum: 'none', maxConnections: 6 }) },
  { name: 'files: partgate, crc64nvme', page: 'partgate', many: true, options: (context) => ({ ...gateway(context), checksum: 'crc64nvme', maxConnections: 6 }) },
  {
    name: 'files: partgate, crc64nvme, its own origin', page: 'partgate', many: true, atGateway: true,
    options: (context) => ({ ...gateway(context), checksum: 'crc64nvme', maxConnections: 6 }),
  },
  { name: 'files: Uppy 5.2', page: 'uppy5', many: true, options: common },
  { name: 'files: Uppy 6.3', page: 'uppy6', many: true, options: common },
  { name: 'files: better-upload 2.0', page: 'better', many: true, options: () => ({}) },
];
