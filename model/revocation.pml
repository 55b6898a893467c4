/*
 * revocation.pml: how the end of a session reaches a service that verifies offline (contract section 7). The session ends in a
 * transaction at replica 1 that commits whenever it likes; meanwhile another session ends in a transaction of its own. Each of
 * two replicas keeps the status list in memory: it reads the ends from the database again and again, sets at once the bit of
 * an end that it committed itself, and may crash and start again at any moment. A verifier fetches the list from whichever
 * replica, and may be restarted too. The row is deleted once all tokens of the session are dead.
 *
 * A unit of time stands for 5 s. Nothing counts time without end, so the promises hold for histories of any length. The
 * right design reads one clock, the database's, and that one only to delete rows. docs/model.md tells how to read this.
 */

#define LAG 1      /* a replica reads the database at least this often: the 5 s of contract section 7 */
#ifdef HTTP_CACHE_OF_LISTS
#define TTL 4      /* the cache's max-age and the verifier's ttl */
#else
#define TTL 2      /* the verifier fetches the list at least this often (30 s in truth; the promise does not hang on the number) */
#endif
#define BOUND (2 + LAG)
#define TOKEN 4    /* how long an access token may be good after the end of its session was written */
#define OVERLAP 1  /* by how much a cursor made of clock times is set back */
#define AHEAD 4    /* what replica 2's clock is ahead of the others, where a broken design reads it */

mtype = { live, ending, over, deleted };

/* ---- PostgreSQL: the session that is watched, and another */
#define IT 0
#define OTHER 1
mtype session[2] = live;     /* `ending`: the end is written and not committed yet */
byte xid[2];                 /* the number of the transaction that ended it */
byte next_xid = 1;
byte since_written;          /* the age of its end, by the database's clock */
byte since_commit;           /* how long the end can have been seen */

/* ---- replicas */
bool ready[2];
bool listed[2];              /* the session's bit in the list that the replica has in memory */
byte cursor[2];              /* where the next read begins */
byte reading[2];             /* where the read after the one under way will begin; 0: none is under way */
byte since_read[2];

/* ---- the verifier */
bool fetched;
bool refuses;
byte since_fetch;

/* ---- what an onlooker saw, and promises broken */
bool served_set[2];
bool accepted_too_long, bit_unset, list_too_old;

#ifdef REACH
bool met;
#define MET(what, when) met = met || (what == REACH && (when))
#define OUT_OF_ORDER 1
#define LATE_COMMIT 2
#define REFUSAL 3
#define CRASH_BEFORE_BIT 4
#define DELETED 5
#define LAST_MOMENT 6
#else
#define MET(what, when) skip
#endif

#define HAS_ENDED (session[IT] == over || session[IT] == deleted)
#define TOKEN_LIVES (since_written <= TOKEN)

/* ---- what a read finds, and where the next one begins */
#if defined(CURSOR_BY_REPLICA_CLOCK) || defined(CURSOR_BY_DATABASE_CLOCK)
byte clock = 8;              /* the database's */
byte written_at;
#ifdef CURSOR_BY_REPLICA_CLOCK
#define CLOCK_OF(r) (clock + AHEAD * (r))
#else
#define CLOCK_OF(r) clock
#endif
#define WRITE_TIME(s, r) if :: s == IT -> written_at = CLOCK_OF(r) :: else fi
#define NEXT(r) CLOCK_OF(r)
#define FINDS(r, s) (written_at + OVERLAP >= cursor[r])
#elif defined(CURSOR_BY_SEQUENCE)
/* The highest number that was found. */
#define FOUND(r, s) (session[s] == over && xid[s] > cursor[r])
#define NEXT(r) (FOUND(r, IT) && (!FOUND(r, OTHER) || xid[IT] > xid[OTHER]) -> xid[IT] : (FOUND(r, OTHER) -> xid[OTHER] : cursor[r]))
#define FINDS(r, s) (xid[s] > cursor[r])
#else
/* The oldest transaction under way: whatever is not visible yet, has this number or a higher one. */
#define OPEN(s) (session[s] == ending)
#define NEXT(r) (OPEN(IT) && (!OPEN(OTHER) || xid[IT] < xid[OTHER]) -> xid[IT] : (OPEN(OTHER) -> xid[OTHER] : next_xid))
#define FINDS(r, s) (xid[s] >= cursor[r])
#endif
#ifndef WRITE_TIME
#define WRITE_TIME(s, r) skip
#endif

#ifdef SERVED_BEFORE_LOADED
#define START_AGAIN(r) ready[r] = true
#else
#define START_AGAIN(r) ready[r] = false
#endif
#define FORGET(r) listed[r] = false; cursor[r] = 0; reading[r] = 0; since_read[r] = 0; START_AGAIN(r)
#define SERVE(r) served_set[r] = served_set[r] || (ready[r] && listed[r])

/* Ends session s in a transaction, at replica r, which sets the bit afterwards, unless it crashes. */
proctype End(byte s; byte r) {
  d_step {
    session[s] = ending;
    xid[s] = next_xid;
    next_xid++;
    WRITE_TIME(s, r);
    printf("|replica %d: transaction %d writes the end of session %d\n", r + 1, xid[s], s + 1)
  }
  d_step {
    session[s] = over;
    MET(OUT_OF_ORDER, s == IT && session[OTHER] == over && xid[OTHER] > xid[IT]);
    MET(LATE_COMMIT, s == IT && since_written > LAG);
    printf("|replica %d: transaction %d commits; session %d has ended\n", r + 1, xid[s], s + 1)
  }
  if
  :: d_step { s == IT -> listed[r] = true; SERVE(r); printf("|replica %d: sets the bit of session 1\n", r + 1) }
  :: d_step { s == IT -> FORGET(r); MET(CRASH_BEFORE_BIT, true);
      printf("|replica %d: crashes before it sets the bit of session 1, and starts again\n", r + 1) }
  :: s == OTHER
  fi
}

/* Each replica reads again and again. A read takes its next cursor first, then the ends, page by page. */
#ifdef CURSOR_TAKEN_AFTER_READING
#define BEGIN_READ(r) reading[r] = 1; found[r] = session[IT] == over && FINDS(r, IT)
#define FINISH_READ(r) reading[r] = NEXT(r); listed[r] = listed[r] || found[r]; found[r] = false
bool found[2];
#elif defined(BIT_UNSET_ON_RELOAD)
#define BEGIN_READ(r) reading[r] = NEXT(r)
#define FINISH_READ(r) listed[r] = session[IT] == over && FINDS(r, IT)
#elif defined(CURSOR_BY_SEQUENCE)
#define BEGIN_READ(r) reading[r] = 1
#define FINISH_READ(r) reading[r] = NEXT(r); listed[r] = listed[r] || (session[IT] == over && FINDS(r, IT))
#else
#define BEGIN_READ(r) reading[r] = NEXT(r)
#define FINISH_READ(r) listed[r] = listed[r] || (session[IT] == over && FINDS(r, IT))
#endif
proctype Replica(byte r) {
end:
  do
  :: d_step { reading[r] == 0 -> BEGIN_READ(r); printf("|replica %d: begins to read the ends from number %d on\n", r + 1, cursor[r]) }
  :: d_step { reading[r] != 0 -> FINISH_READ(r);
      cursor[r] = reading[r]; reading[r] = 0; since_read[r] = 0; ready[r] = true; SERVE(r);
      printf("|replica %d: has read them: the bit of session 1 is %d, and the next read begins with number %d\n", r + 1, listed[r], cursor[r]) }
#ifndef NO_CRASHES
  :: d_step { ready[r] -> FORGET(r); printf("|replica %d: crashes and starts again\n", r + 1) }
#endif
  od
}

#ifdef OLDER_LIST_REPLACES
#define MERGE(r) listed[r]
#else
#define MERGE(r) (refuses || listed[r])
#endif
#define FETCH(r) d_step { ready[r] -> \
    printf("|verifier: fetches the list of replica %d, where the bit of session 1 is %d\n", r + 1, listed[r]); \
    bit_unset = bit_unset || (TOKEN_LIVES && !listed[r] && served_set[r]) || (refuses && !MERGE(r)); \
    list_too_old = list_too_old || (HAS_ENDED && since_commit > LAG && TOKEN_LIVES && !listed[r]); \
    MET(REFUSAL, r == 1 && listed[r] && TOKEN_LIVES && !refuses); \
    MET(LAST_MOMENT, listed[r] && since_commit == BOUND && !refuses); \
    refuses = MERGE(r); fetched = true; since_fetch = 0 }
active proctype Verifier() {
end:
  do
  :: FETCH(0)
  :: FETCH(1)
  :: d_step { fetched -> printf("|verifier: is restarted\n"); fetched = false; refuses = false; since_fetch = 0 }
  od
}

#ifdef ROWS_DELETED_BY_REPLICA_CLOCK
#define DEAD (since_written + AHEAD > TOKEN)
#else
#define DEAD (since_written > TOKEN)
#endif
active proctype Housekeeping() {
end:
  d_step { session[IT] == over && DEAD -> session[IT] = deleted; MET(DELETED, true);
    printf("|replica 2: deletes the row of session 1, whose end was written %d units of time ago\n", since_written) }
}

/* Time passes, but not over a read or a fetch that is due. The verifier is asked all the time whether it takes a token. */
#define COUNT(what, limit) what = (what < (limit) -> what + 1 : what)
active proctype Clock() {
end:
  do
  :: d_step { since_read[0] < LAG && since_read[1] < LAG && fetched && since_fetch < TTL ->
      printf("|tick\n");
#if defined(CURSOR_BY_REPLICA_CLOCK) || defined(CURSOR_BY_DATABASE_CLOCK)
      clock++;
#endif
      since_fetch++;
      if :: ready[0] -> since_read[0]++ :: else fi;
      if :: ready[1] -> since_read[1]++ :: else fi;
      if :: session[IT] != live -> COUNT(since_written, TOKEN + 1) :: else fi;
      if :: HAS_ENDED -> COUNT(since_commit, BOUND + 1) :: else fi;
      if
      :: HAS_ENDED && since_commit > BOUND && TOKEN_LIVES && !refuses ->
        printf("|verifier: takes a token of session 1, %d units of time after its end was acknowledged\n", since_commit);
        accepted_too_long = true
      :: else
      fi }
  od
}

init {
  atomic { run End(IT, 0); run End(OTHER, 1); run Replica(0); run Replica(1) }
}

ltl ended_session_refused_in_time { [] !accepted_too_long }
ltl bit_stays_set { [] !bit_unset }
ltl list_at_most_5s_old { [] !list_too_old }
#ifdef REACH
ltl not_met { [] !met }
#endif
