/** The commands that change what an image holds. */
import { Command } from 'commander';
import { action, alias, examples, xattrsOption } from './commands.ts';

export function changeCommands(top: Command): void {
  top.addCommand(cpCommand());
  top.addCommand(mvCommand());
  top.addCommand(rmCommand());
  top.addCommand(mkdirCommand());
  top.addCommand(lnCommand());
  top.addCommand(chmodCommand());
  top.addCommand(chownCommand());
  top.addCommand(touchCommand());
  top.addCommand(truncateCommand());
  top.addCommand(fallocateCommand());
  top.addCommand(writeCommand());
  top.addCommand(xattrCommand());
}

const cpCommand = (): Command =>
  action(
    alias(new Command('cp'), 'R', 'recursive')
      .description('copy into an image, out of one, or within; holes stay holes')
      .argument('<path...>', 'sources, then the target; IMAGE:/path or a path of the host')
      .option('-r, --recursive', 'directories too')
      .option('-p, --preserve', 'modes, owners, times, attributes, hard links')
      .option('-a, --archive', 'the same as -r -p')
      .option('-L, --dereference', 'follow symlinks')
      .option('-f, --force', 'remove a target that is there')
      .option('-n, --no-clobber', 'leave a target that is there alone')
      .option('-t, --target-directory <dir>', 'copy all into this directory')
      .addOption(xattrsOption(', with -p'))
      .addHelpText(
        'after',
        '\nWithout -p new files belong to root. Extended attributes and ACLs of the host are read by\n' +
          'getfattr and set by setfattr (package attr): where they are not there, or the host refuses,\n' +
          'auto says so and goes on, require fails.\n' +
          examples('cp -a etc disk.img:/', 'cp disk.img:/etc/fstab .', 'cp -a a.img:/home b.img:/'),
      ),
    async () => (await import('./commands/cp.ts')).cp,
  );

const mvCommand = (): Command =>
  action(
    new Command('mv')
      .description('rename; between images, or image and host, copy and remove')
      .argument('<path...>', 'sources, then the target')
      .option('-f, --force', 'as always')
      .option('-n, --no-clobber', 'leave a target that is there alone')
      .option('--exchange', 'let two paths change places')
      .option('-t, --target-directory <dir>', 'move all into this directory')
      .option('-v, --verbose', 'say what is done')
      .addOption(xattrsOption(''))
      .addHelpText('after', examples('mv disk.img:/a disk.img:/b', 'mv notes.txt disk.img:/home/')),
    async () => (await import('./commands/mv.ts')).mv,
  );

const rmCommand = (): Command =>
  action(
    alias(new Command('rm'), 'R', 'recursive')
      .description('remove')
      .argument('<path...>', 'IMAGE:/path')
      .option('-r, --recursive', 'directories with all they hold')
      .option('-f, --force', 'what is not there is no failure')
      .option('-d, --dir', 'empty directories')
      .option('-v, --verbose', 'say what is done')
      .addHelpText('after', examples('rm -r disk.img:/tmp/old')),
    async () => (await import('./commands/rm.ts')).rm,
  );

const mkdirCommand = (): Command =>
  action(
    new Command('mkdir')
      .description('make directories')
      .argument('<path...>', 'IMAGE:/path')
      .option('-p, --parents', 'those above too; one that is there is no failure')
      .option('-m, --mode <mode>', 'as chmod takes it')
      .option('-v, --verbose', 'say what is done')
      .addHelpText('after', examples('mkdir -p -m 750 disk.img:/srv/data')),
    async () => (await import('./commands/make.ts')).mkdir,
  );

const lnCommand = (): Command =>
  action(
    new Command('ln')
      .description('a further name for a file, or a symlink')
      .argument('<target>', 'IMAGE:/path; with -s the text of the symlink')
      .argument('<link>', 'IMAGE:/path')
      .option('-s, --symbolic', 'a symlink')
      .option('-f, --force', 'in place of what is there')
      .option('-n, --no-dereference', 'a link that leads to a directory is replaced, not entered')
      .addHelpText('after', examples('ln -s ../usr/bin disk.img:/bin')),
    async () => (await import('./commands/make.ts')).ln,
  );

const chmodCommand = (): Command =>
  action(
    new Command('chmod')
      .description('change modes')
      .argument('<mode>', '644, u+rwX,go-w, ...')
      .argument('<path...>', 'IMAGE:/path')
      .option('-R, --recursive', 'all below too')
      .addHelpText(
        'after',
        examples('chmod -R u+rwX,go-w disk.img:/home', 'chmod 4755 disk.img:/bin/su'),
      ),
    async () => (await import('./commands/attributes.ts')).chmod,
  );

const chownCommand = (): Command =>
  action(
    new Command('chown')
      .description('change owners')
      .argument('<owner>', 'USER:GROUP, USER, :GROUP, in numbers')
      .argument('<path...>', 'IMAGE:/path')
      .option('-R, --recursive', 'all below too; symlinks themselves')
      .option('-h, --no-dereference', 'a symlink itself')
      .addHelpText('after', examples('chown -R 1000:1000 disk.img:/srv/me')),
    async () => (await import('./commands/attributes.ts')).chown,
  );

const touchCommand = (): Command =>
  action(
    new Command('touch')
      .description('set times; make an empty file where there is none')
      .argument('<path...>', 'IMAGE:/path')
      .option('-c, --no-create', 'make nothing')
      .option('-d, --date <time>', '2026-01-31T12:00:00Z, @SECONDS.FRACTION, now')
      .option('-a, --access', 'only the time of access')
      .option('-m, --modify', 'only the time of change')
      .option('-r, --reference <file>', "times of a file of the host's")
      .option('-h, --no-dereference', 'a symlink itself')
      .addHelpText('after', examples('touch disk.img:/x', 'touch -m -d @0 disk.img:/x')),
    async () => (await import('./commands/make.ts')).touch,
  );

const truncateCommand = (): Command =>
  action(
    new Command('truncate')
      .description('give files a size')
      .argument('<path...>', 'IMAGE:/path')
      .option(
        '-s, --size <size>',
        '10M; +SIZE longer, -SIZE shorter, <SIZE at most, >SIZE at least',
      )
      .option('-r, --reference <file>', "size of a file of the host's")
      .option('-c, --no-create', 'make nothing')
      .addHelpText(
        'after',
        examples('truncate -s 1G disk.img:/sparse', 'truncate -s -100 disk.img:/log'),
      ),
    async () => (await import('./commands/make.ts')).truncate,
  );

const fallocateCommand = (): Command =>
  action(
    new Command('fallocate')
      .description('give files blocks before they are written')
      .argument('<path...>', 'IMAGE:/path')
      .option('-l, --length <size>', 'how much')
      .option('-o, --offset <size>', 'from where on')
      .option('-n, --keep-size', 'leave the size as it is')
      .option('-p, --punch-hole', 'take blocks away instead')
      .option('-z, --zero-range', 'let a range read as zeros')
      .addHelpText('after', examples('fallocate -l 100M disk.img:/swapfile')),
    async () => (await import('./commands/make.ts')).fallocate,
  );

const writeCommand = (): Command =>
  action(
    new Command('write')
      .description('standard input into a file')
      .argument('<path>', 'IMAGE:/path')
      .option('-a, --append', 'behind what it holds')
      .option('-o, --offset <size>', 'over what it holds, from there on')
      .option('-m, --mode <mode>', 'of a file that is made')
      .addHelpText('after', examples('write disk.img:/etc/motd < motd')),
    async () => (await import('./commands/make.ts')).write,
  );

function xattrCommand(): Command {
  const nofollow = ['-h, --no-dereference', 'of a symlink itself'] as const;
  const hex = ['--hex', 'the value in hexadecimal'] as const;
  const base64 = ['--base64', 'the value in base64'] as const;
  const load = async () => await import('./commands/attributes.ts');
  const sub = (name: string, what: string): Command =>
    new Command(name)
      .description(what)
      .argument('<path>', 'IMAGE:/path')
      .option(...nofollow);
  return new Command('xattr')
    .description('extended attributes')
    .addCommand(action(sub('ls', 'names'), async () => (await load()).xattrList))
    .addCommand(
      action(
        sub('get', 'a value')
          .argument('<name>', 'user.x')
          .option(...hex)
          .option(...base64),
        async () => (await load()).xattrGet,
      ),
    )
    .addCommand(
      action(
        sub('set', 'set a value')
          .argument('<name>', 'user.x')
          .argument('<value>', 'text')
          .option(...hex)
          .option(...base64),
        async () => (await load()).xattrSet,
      ),
    )
    .addCommand(
      action(
        sub('rm', 'remove').argument('<name>', 'user.x'),
        async () => (await load()).xattrRemove,
      ),
    )
    .addHelpText('after', examples('xattr set disk.img:/f user.who me', 'xattr ls disk.img:/f'));
}
