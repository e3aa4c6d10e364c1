/* N tasks add one to a counter K times each, by a read and a write. No assertion: all states. */
#ifndef N
#define N 2
#endif
#ifndef K
#define K 1
#endif
byte x = 0;

proctype Task() {
  byte v, k = 0;
  do
  :: k < K -> v = x; x = v + 1; k++
  :: else -> break
  od
}

init {
  byte i = 0;
  atomic { do :: i < N -> run Task(); i++ :: else -> break od }
}
