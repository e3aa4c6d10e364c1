/* N tasks look for a free block each: locks of inodes, locks of blocks. As filesystem() in
   test/explore/programs.ts, and as in "Dynamic partial-order reduction for model checking
   software" (POPL 2005). */
#ifndef N
#define N 4
#endif
bool inodeLock[32], blockLock[26], busy[26];
byte inode[32];

proctype Task(byte i) {
  byte b;
  atomic { !inodeLock[i] -> inodeLock[i] = 1 };
  if
  :: inode[i] == 0 ->
    b = (i * 2) % 26;
    do
    :: atomic { !blockLock[b] -> blockLock[b] = 1 };
      if
      :: !busy[b] -> busy[b] = 1; inode[i] = b + 1; blockLock[b] = 0; break
      :: else -> blockLock[b] = 0; b = (b + 1) % 26
      fi
    od
  :: else
  fi;
  inodeLock[i] = 0
}

init {
  byte i = 0;
  atomic { do :: i < N -> run Task(i); i++ :: else -> break od }
}
