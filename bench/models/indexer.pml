/* N tasks insert four numbers each into a hash table of 128 places, with a lock a place. As
   indexer() in test/explore/programs.ts. */
#ifndef N
#define N 4
#endif
bool held[128];
byte table[128];

proctype Task(byte t) {
  byte m = 0, w, h;
  bool stored;
  do
  :: m < 4 ->
    m++;
    w = m * 11 + t;
    h = (w * 7) % 128;
    do
    :: atomic { !held[h] -> held[h] = 1 };
      if
      :: table[h] == 0 -> table[h] = w; stored = 1
      :: else -> stored = 0
      fi;
      held[h] = 0;
      if
      :: stored -> break
      :: else -> h = (h + 1) % 128
      fi
    od
  :: else -> break
  od
}

init {
  byte i = 0;
  atomic { do :: i < N -> run Task(i); i++ :: else -> break od }
}
