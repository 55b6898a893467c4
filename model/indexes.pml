/*
 * indexes.pml: the place in the status lists that a new session is given (contract section 7), never given twice, although the
 * database may be put back to an earlier state: by a restore, or by a failover that loses the last commits. The places come
 * from a sequence, and the database forgets how far that was. It is remembered elsewhere: each of two replicas looks at the
 * sequence every two seconds, keeps the highest place in its memory, and in Redis for those that start. What was given within
 * the last two seconds nobody may know of, so the sequence jumps well past what is known whenever the database is not the one
 * that was looked at: another server, or the same one started again.
 *
 * Replicas may crash and start at any moment. Redis keeps what it has. docs/model.md tells how to read and change this.
 */

#define LOGINS 2        /* at most so many between two looks of a replica (in truth 32,768 in two seconds) */
#define MARGIN 4        /* what a jump leaves out: twice that */
#ifdef JUMP_TOO_SHORT
#define BEYOND 0
#else
#define BEYOND 3        /* how much further the sequence is set: while one replica jumps, another may go on taking places */
#endif
#ifdef TWO_RESTORES
#define RESTORES 2
#define HISTORY 3       /* logins in a history */
#else
#define RESTORES 1
#define HISTORY 5
#endif
#define MOST 40         /* no place is as high as this */
#define NOBODY 2

/* ---- PostgreSQL */
byte next;              /* the sequence: the place that is given next */
byte server;            /* which server it is, or which start of it; no restore gives back an earlier one */
byte lock = NOBODY;     /* the replica that holds the lock of the jump */

/* ---- Redis: a place below which all may be given, and the server that it was learned at */
byte mark;
byte mark_server;

/* ---- replicas */
bool started[2];        /* it has looked since it started; before, it logs nobody in */
byte known[2];          /* a place below which all may be given */
byte known_server[2];
byte unseen[2];         /* logins anywhere since it looked last */
bool busy[2];           /* a login that has to jump is under way */
byte meanwhile[2];      /* logins since it began: a statement takes less than two seconds */
bool looking[2];

/* ---- what an onlooker saw, and promises broken */
bool given[MOST];       /* the places that were given */
byte left = HISTORY;
bool given_twice;

#ifdef REACH
bool met;
#define MET(what, when) met = met || (what == REACH && (when))
#define JUMP 1
#define MARK_HELPS 2
#define JUMPED_BY_OTHER 3
#define FAILED_IN_JUMP 4
#else
#define MET(what, when) skip
#endif

#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* The statement of a login gives no place below this. */
#if defined(NO_JUMP)
#define BOUND(r) 0
#elif defined(NO_MARGIN) || defined(ONLY_WHO_NOTICES)
#define BOUND(r) known[r]
#else
#define BOUND(r) (known[r] + (known_server[r] != server -> MARGIN : 0))
#endif
/* What a look adds, when the database is not the one that `place` was learned at. */
#if defined(NO_MARGIN) || defined(ONLY_WHO_NOTICES)
#define MORE(place, learned_at) (place)
#else
#define MORE(place, learned_at) ((place) + (learned_at != at -> MARGIN : 0))
#endif

#define GIVE(r, p) \
  printf("|replica %d: logs somebody in at place %d\n", r + 1, p); \
  given_twice = given_twice || given[p]; \
  given[p] = true; \
  unseen[0]++; unseen[1]++; \
  if :: busy[0] && r != 0 -> meanwhile[0]++ :: else fi; \
  if :: busy[1] && r != 1 -> meanwhile[1]++ :: else fi;
#define MAY_LOGIN (left > 0 && unseen[0] < LOGINS && unseen[1] < LOGINS && meanwhile[0] < LOGINS && meanwhile[1] < LOGINS)
#define FREE(r) if :: lock == r -> lock = NOBODY :: else fi
#define IDLE(r) step = 0; bound = 0; at = 0; busy[r] = false; meanwhile[r] = 0

/* Logins at replica r: next_status_index() in the database takes places from the sequence step by step. */
proctype Login(byte r) {
  byte step, bound, at;
end:
  do
  :: d_step { step == 0 && started[r] && MAY_LOGIN && next >= BOUND(r) -> left--; GIVE(r, next); next++ }
  :: d_step { step == 0 && started[r] && MAY_LOGIN && next < BOUND(r) ->
      printf("|replica %d: takes place %d from the sequence, where all below %d may be given\n", r + 1, next, BOUND(r));
      bound = BOUND(r); at = server; busy[r] = true; left--; next++; step = 1 }
#ifdef JUMP_WITHOUT_LOCK
  :: d_step { step == 1 && at == server -> step = 2 }
#else
  :: d_step { step == 1 && at == server && lock == NOBODY -> lock = r; step = 2 }
#endif
  :: d_step { step == 2 && at == server && next >= bound -> MET(JUMPED_BY_OTHER, true); GIVE(r, next); next++; FREE(r); IDLE(r) }
  :: d_step { step == 2 && at == server && next < bound -> next++; step = 3 }
  :: d_step { step == 3 && at == server ->
      printf("|replica %d: sets the sequence to %d\n", r + 1, bound + BEYOND);
      MET(JUMP, true);
      next = bound + BEYOND; step = 4 }
  :: d_step { step == 4 && at == server -> GIVE(r, next); next++; FREE(r); IDLE(r) }
  :: d_step { step > 0 && at != server -> MET(FAILED_IN_JUMP, true);
      printf("|replica %d: its login fails with the old database\n", r + 1); IDLE(r) }
  od
}

/* Replica r looks at the sequence, and at what Redis knows; it writes there what it knows, if that is more. */
proctype Look(byte r) {
  byte place, at, kept;
end:
  do
  :: d_step { !looking[r] && (unseen[r] > 0 || !started[r] || known_server[r] != server) ->
      looking[r] = true; place = next; at = server; unseen[r] = 0;
      printf("|replica %d: looks at the sequence: %d\n", r + 1, next) };
    d_step {
#ifdef NO_MARK
      kept = 0;
#else
      kept = MORE(mark, mark_server);
#endif
      MET(MARK_HELPS, !started[r] && !started[1 - r] && mark > next);
      place = MAX(place, MAX(kept, started[r] -> MORE(known[r], known_server[r]) : 0));
      if
      :: place > kept || mark_server != at -> mark = place; mark_server = at;
        printf("|replica %d: writes to Redis that all below %d may be given\n", r + 1, place)
      :: else -> printf("|replica %d: knows that all below %d may be given\n", r + 1, place)
      fi;
      known[r] = place; known_server[r] = at; started[r] = true; looking[r] = false;
      place = 0; at = 0; kept = 0
    }
  od
}

#define LOOKED(r) (!started[r] || (known_server[r] == server && known[r] + MARGIN >= next))
#ifdef ONLY_WHO_NOTICES
/* Replica 1 sent something at that moment, which failed; replica 2 did not. */
#define NOTICE known[0] = known[0] + MARGIN; printf("|replica 1: notices the outage, which replica 2 does not\n")
#else
#define NOTICE skip
#endif
active proctype World() {
  byte earlier;
end:
  do
  /* Restores are further apart than two seconds: everybody has looked since the jump that followed the last one. */
  :: atomic { server < RESTORES && next > 0 && mark_server == server && mark + MARGIN >= next && LOOKED(0) && LOOKED(1) ->
      select(earlier : 0 .. next - 1);
      d_step {
        printf("|database: is put back from place %d to place %d, and starts again\n", next, earlier);
        next = earlier; server++; lock = NOBODY; earlier = 0; NOTICE
      }
    }
  :: d_step { started[0] && !busy[0] && !looking[0] -> started[0] = false; known[0] = 0; known_server[0] = 0; unseen[0] = 0;
      printf("|replica 1: crashes\n") }
  :: d_step { started[1] && !busy[1] && !looking[1] -> started[1] = false; known[1] = 0; known_server[1] = 0; unseen[1] = 0;
      printf("|replica 2: crashes\n") }
  od
}

init {
  atomic { run Login(0); run Login(1); run Look(0); run Look(1) }
}

ltl no_index_given_twice { [] !given_twice }
#ifdef REACH
ltl not_met { [] !met }
#endif
