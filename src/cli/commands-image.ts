/** The commands about an image as a whole. */
import { Command } from 'commander';
import { action, examples, xattrsOption } from './commands.ts';

export function imageCommands(top: Command): void {
  top.addCommand(mkfsCommand());
  top.addCommand(buildCommand());
  top.addCommand(extractCommand());
  top.addCommand(infoCommand());
  top.addCommand(checkCommand());
  top.addCommand(benchCommand());
}

/** mke2fs's words. */
const withMkfsOptions = (command: Command): Command =>
  command
    .option('-t, --type <type>', 'ext2, ext3 or ext4')
    .option('-b, --block-size <size>', '1024, 2048, 4096 ... 65536')
    .option('-C, --cluster-size <size>', 'with bigalloc')
    .option('-O, --features <list>', 'feature,^feature,...')
    .option('-L, --label <label>', 'at most 16 bytes')
    .option('-U, --uuid <uuid>', 'a UUID, random or clear')
    .option('-N, --inodes <n>', 'number of inodes')
    .option('-i, --bytes-per-inode <size>', 'one inode for each so many bytes')
    .option('-I, --inode-size <size>', '128, 256, 512 ...')
    .option('-m, --reserved <percent>', 'blocks that only root may use')
    .option('-J, --journal <options>', 'size=MEGABYTES')
    .option('-G, --flex-bg <n>', 'groups that keep their metadata together')
    .option('-M, --last-mounted <dir>', 'directory it is said to have been mounted on')
    .option(
      '-E, --extended <options>',
      'root_owner=UID:GID,quotatype=usrquota:grpquota:prjquota,' +
        'orphan_file_size=SIZE,mmp_update_interval=SECONDS',
    );

const mkfsCommand = (): Command =>
  action(
    withMkfsOptions(
      new Command('mkfs')
        .description("make a file system, with mke2fs's words")
        .argument('<image>', 'a file of the host, made if it is not there, or a block device')
        .argument('[size]', '64M, 2G ...; a bare number counts blocks; its present size'),
    )
      .option('-n, --dry-run', 'only say what would be made')
      .option('-q, --quiet', 'say nothing')
      .option('-F, --force', 'as mke2fs has it: it is never asked here')
      .addHelpText(
        'after',
        '\nWith SOURCE_DATE_EPOCH and -U the bytes are the same every time.\n' +
          examples(
            'mkfs disk.img 1G',
            'mkfs -t ext4 -O ^has_journal -L data disk.img 200M',
            'mkfs -O quota,project -E quotatype=prjquota disk.img 1G',
          ),
      ),
    async () => (await import('./commands/mkfs.ts')).mkfs,
  );

const buildCommand = (): Command =>
  action(
    withMkfsOptions(
      new Command('build')
        .description(
          'an image from folders, tarballs and OCI layouts, later ones over earlier ones',
        )
        .argument('<source...>', 'a folder, a tarball (- is standard input), an OCI layout')
        .requiredOption('-o, --output <image>', 'the image, which appears when it is complete')
        .option('--size <size>', '64M, 2G ...; auto fits it to what goes in', 'auto')
        .addOption(xattrsOption(' of folders')),
    )
      .option('-q, --quiet', 'say nothing')
      .addHelpText(
        'after',
        '\nKeeps owners, modes, times, hard links, devices, holes, extended attributes, ACLs. Needs no\n' +
          'root, but the host shows trusted.* to root only. Attributes of folders are read by getfattr\n' +
          '(package attr): where it is not there, auto says so and goes on, require fails.\n' +
          'Tarballs may be compressed with gzip or zstd. With SOURCE_DATE_EPOCH and -U the bytes are\n' +
          'the same for the same sources.\n' +
          examples(
            'build rootfs/ -o disk.img',
            'build rootfs/ -o disk.img --xattrs require',
            "tar --xattrs --xattrs-include='*' -C / -c etc | foliofs build - -o etc.img",
            'build layer1.tar.gz overlay/ -o disk.img --size 2G -L root',
            'build oci-layout/ -o disk.img',
          ),
      ),
    async () => (await import('./commands/build.ts')).build,
  );

const extractCommand = (): Command =>
  action(
    new Command('extract')
      .description('everything out of an image again')
      .argument('<path>', 'IMAGE or IMAGE:/path')
      .requiredOption(
        '-o, --output <place>',
        'a folder, FILE.tar, or - for a tar on standard output',
      )
      .option('--no-same-owner', 'leave owners to the host')
      .addOption(xattrsOption(' in a folder'))
      .addHelpText(
        'after',
        '\nModes, times, hard links and holes are kept; owners and devices on the host need root;\n' +
          'extended attributes are kept in a tar file, and in a folder where the host has setfattr\n' +
          '(package attr) and lets us: what stays behind is said, with --xattrs require it is a failure.\n' +
          examples('extract disk.img -o rootfs', 'extract disk.img:/etc -o - | tar -t'),
      ),
    async () => (await import('./commands/extract.ts')).extract,
  );

const infoCommand = (): Command =>
  action(
    new Command('info')
      .description('superblock, features, journal')
      .argument('<image>', 'an image')
      .option('-g, --groups', 'every block group too')
      .addHelpText('after', examples('info disk.img', 'info --json --groups disk.img')),
    async () => (await import('./commands/info.ts')).info,
  );

const checkCommand = (): Command =>
  action(
    new Command('check')
      .description('read all metadata and report what contradicts itself')
      .argument('<image>', 'an image')
      .option('--memory <size>', 'of the cache for metadata')
      .option('-q, --quiet', 'only the exit status')
      .option('--repair', 'write the journal home and finish deleted files; mends nothing else yet')
      .addHelpText(
        'after',
        '\nA journal that is to be replayed is replayed first, in memory if without --repair.\n' +
          '\nExit status as e2fsck: 0 clean, 1 corrected, 4 errors were found, 8 it could not be ' +
          'checked, 16 wrong usage; they add up.\n' +
          examples('check disk.img', 'check --repair disk.img'),
      ),
    async () => (await import('./commands/check.ts')).check,
  );

const benchCommand = (): Command =>
  action(
    new Command('bench')
      .description('measure, each case beside its peer')
      .argument('[case...]', 'all of them')
      .option('--quick', 'a tenth of the work: shows that it runs, measures little')
      .addHelpText('after', examples('bench build mkfs', 'bench --json')),
    async () => (await import('./commands/bench.ts')).bench,
  );
