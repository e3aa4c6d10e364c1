/** The commands that look into an image and change nothing. */
import { Command } from 'commander';
import { action, examples } from './commands.ts';

export function lookCommands(top: Command): void {
  top.addCommand(lsCommand());
  top.addCommand(treeCommand());
  top.addCommand(statCommand());
  top.addCommand(catCommand());
  top.addCommand(findCommand());
  top.addCommand(dfCommand());
  top.addCommand(duCommand());
  top.addCommand(extentsCommand());
}

const lsCommand = (): Command =>
  action(
    new Command('ls')
      .description('list directories')
      .argument('<path...>', 'IMAGE:/path; IMAGE alone is its root')
      .option('-l, --long', 'mode, links, owner, size, time')
      .option('-a, --all', 'names that begin with a dot too')
      .option('-A, --almost-all', 'the same without . and ..')
      .option('-R, --recursive', 'directories below too')
      .option('-d, --directory', 'the directory itself, not what it holds')
      .option('-h, --human', 'sizes as 1.5K, 20M')
      .option('-i, --inode', 'inode numbers')
      .option('-t, --time', 'newest first')
      .option('-S, --size', 'largest first')
      .option('-r, --reverse', 'the other way round')
      .addHelpText('after', examples('ls disk.img', 'ls -la disk.img:/etc')),
    async () => (await import('./commands/ls.ts')).ls,
  );

const treeCommand = (): Command =>
  action(
    new Command('tree')
      .description('draw a directory and all below it')
      .argument('<path...>', 'IMAGE:/path; IMAGE alone is its root')
      .option('-a, --all', 'names that begin with a dot too')
      .option('-d, --dirs-only', 'directories only')
      .option('-L, --level <n>', 'at most so deep')
      .addHelpText('after', examples('tree -L 2 disk.img:/usr')),
    async () => (await import('./commands/tree.ts')).tree,
  );

const statCommand = (): Command =>
  action(
    new Command('stat')
      .description('everything that is known of a file')
      .argument('<path...>', 'IMAGE:/path')
      .option('-L, --dereference', 'of what a symlink leads to')
      .addHelpText(
        'after',
        examples('stat disk.img:/etc/passwd', 'stat --json disk.img:/dev/null'),
      ),
    async () => (await import('./commands/stat.ts')).stat,
  );

const catCommand = (): Command =>
  action(
    new Command('cat')
      .description('contents to standard output (with --json in base64, a piece a line)')
      .argument('<path...>', 'IMAGE:/path')
      .addHelpText('after', examples('cat disk.img:/etc/os-release')),
    async () => (await import('./commands/cat.ts')).cat,
  );

const findCommand = (): Command =>
  action(
    new Command('find')
      .description('paths below a directory that pass all tests')
      .argument('<path>', 'IMAGE:/path; IMAGE alone is its root')
      .argument('[tests...]', 'as below')
      .allowUnknownOption()
      .passThroughOptions()
      .addHelpText(
        'after',
        `
Tests, as find(1) has them: -name PATTERN -iname PATTERN -path PATTERN -type fdlbcps
  -size [+-]N[bckMG] -empty -links [+-]N -inum N -uid [+-]N -gid [+-]N -perm [-/]MODE
  -mtime [+-]DAYS -mmin [+-]N -newer IMAGE:/path -maxdepth N -mindepth N -print -print0
  -ls; -not or ! before a test, -o between tests, -a, ( and ).
` + examples("find disk.img:/usr -name '*.so' -size +1M", 'find disk.img -type l -o -type p'),
      ),
    async () => (await import('./commands/find.ts')).find,
  );

const dfCommand = (): Command =>
  action(
    new Command('df')
      .description('how full an image is')
      .argument('<image...>', 'images')
      .option('-h, --human', 'sizes as 1.5K, 20M')
      .option('-i, --inodes', 'inodes instead of blocks')
      .addHelpText('after', examples('df -h disk.img')),
    async () => (await import('./commands/space.ts')).df,
  );

const duCommand = (): Command =>
  action(
    new Command('du')
      .description('how much room directories take, in KiB')
      .argument('<path...>', 'IMAGE:/path; IMAGE alone is its root')
      .option('-s, --summarize', 'only the paths given')
      .option('-a, --all', 'files too')
      .option('-h, --human', 'sizes as 1.5K, 20M')
      .option('-b, --bytes', 'lengths in bytes')
      .option('--apparent-size', 'lengths, not blocks')
      .option('-c, --total', 'the sum at the end')
      .addHelpText('after', examples('du -sh disk.img:/usr disk.img:/var')),
    async () => (await import('./commands/space.ts')).du,
  );

const extentsCommand = (): Command =>
  action(
    new Command('extents')
      .description('where the blocks of a file are')
      .argument('<path...>', 'IMAGE:/path')
      .option('-b, --bytes', 'bytes instead of blocks')
      .addHelpText('after', examples('extents disk.img:/var/log/big.log')),
    async () => (await import('./commands/extents.ts')).extents,
  );
