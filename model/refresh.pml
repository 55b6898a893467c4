/*
 * refresh.pml: one session and its chain of refresh tokens (contract section 5). A refresh is one statement on the session's
 * row, run by either of two replicas and judged by the database's clock; no process keeps anything about it. The person's
 * program may lose every answer and tries again elsewhere, a replica may crash between statement and answer, a second device
 * ends the session, a thief has copied a refresh token, and a failover may set the database's clock back.
 *
 * A unit of time stands for half the reuse interval. The promises are judged by the variables seen_*, which know only what
 * was answered and when, not how the statement came to it. docs/model.md tells how to read and change this.
 */

#define INTERVAL 2 /* REFRESH_REUSE_INTERVAL_SECONDS */
#ifdef PROGRAM_TRIES_TOO_LONG
#define RETRY 3
#else
#define RETRY 1    /* a program tries a refresh again for this long; after that it logs in anew */
#endif
#ifdef REQUEST_COMES_TOO_LATE
#define TRAVEL 3
#else
#define TRAVEL 1   /* a request of the program that is under way for longer is never carried out */
#endif
#define HORIZON 6  /* how long a history lasts */
#define START 8    /* what the database's clock shows in the beginning */
#define SET_BACK 6 /* by how much a failover may set it back */
#define LAST 4     /* the refresh token of the highest counter */
#define NONE 15

mtype = { tokens, replayed, refused };
mtype = { program, thief };

/* ---- the world */
byte time;                     /* what really passes */
byte database_clock = START;
bool clock_was_set;

/* ---- PostgreSQL: the session's row */
byte counter;                  /* of the newest refresh token */
byte refreshed_at = START;     /* when it was made, by the database's clock */
bool ended;

/* ---- requests under way. Both replicas are alike, so each kind of request has its own: the rest is the mirror image. */
#define FIRST_TRY 0            /* of the program, at replica 1 */
#define OTHER_TRY 1            /* of the program, at replica 2 */
#define OF_THIEF 2             /* at replica 2 */
#define LOGOUT 3               /* of the second device, at replica 1 */
#define REPLICA(i) ((i) == OTHER_TRY || (i) == OF_THIEF -> 2 : 1)
bool travelling[4];
byte token_of[4];
byte sent_at[4];

/* ---- people */
byte held;                     /* the refresh token that the program holds */
bool refreshing;
byte refreshing_since;
bool left;                     /* the program gave up and logs in anew */
byte loot = NONE;              /* the refresh token that the thief holds */
byte thefts;                   /* how often the thief has used it */
bool logout_sent;
bool logout_acknowledged;

/* ---- what an onlooker saw */
byte seen_successor[8] = NONE; /* what a token was answered first */
byte seen_used_at;             /* when that was for the token used last, by the database's clock */
byte seen_used_time;           /* and when it really was */
byte seen_made = 1;            /* the tokens that exist, as bits; the login made token 0 */
byte seen_used;                /* those that were used with success, as bits */

/* ---- promises broken */
bool two_chains, other_successor, older_survived, refreshed_after_end, logged_out;

/* ---- states that must be met, else the promises are proved about nothing; looked for apart, since they multiply the states */
#ifdef REACH
bool met;
#define MET(what, when) met = met || (what == REACH && (when))
#define REPEAT_ELSEWHERE 1
#define REPLAY_OF_THIEF 2
#define REPLAY_OF_PERSON 3
#define REFUSAL_AFTER_END 4
#define CRASH 5
#define CLOCK_SET 6
#define NEW_LOGIN 7
#else
#define MET(what, when) skip
#endif

/* ---- memory that only a broken design has */
#ifdef REUSE_FORGOTTEN_AT_RESTART
bool forgotten;
#define FORGET(r) forgotten = true
#endif
#ifdef SUCCESSOR_KEPT_BY_PROCESS
byte kept[3] = NONE;
#define FORGET(r) kept[r] = NONE
#endif
#ifdef SPEND_AFTER_MINT
byte unwritten[3] = NONE;
#define FORGET(r) unwritten[r] = NONE
#endif
#ifdef STALE_REPLICA
bool read_live[3];
#define FORGET(r) read_live[r] = false
#endif
#ifndef FORGET
#define FORGET(r) skip
#endif
#ifdef REPEAT_MINTS_NEW_CHAIN
byte fork = NONE;
#endif

#define BIT(t) (1 << (t))

/* Whether the row lives, as replica r reads it. */
#ifdef STALE_REPLICA
#define LIVES(r) (!ended || read_live[r])
#else
#define LIVES(r) (!ended)
#endif

/* The moment of a use. */
#ifdef INTERVAL_BY_PROCESS_CLOCK
#define NOW(r) (database_clock + 2 * (r) - 2) /* replica 1's clock is right, replica 2's is ahead */
#else
#define NOW(r) database_clock
#endif

/* Whether a repeat is inside the interval. A use that lies in the future is old. */
#if defined(NO_REUSE_INTERVAL)
#define INSIDE(r) false
#elif defined(FUTURE_IS_YOUNG)
#define INSIDE(r) (NOW(r) < refreshed_at || NOW(r) - refreshed_at <= INTERVAL)
#elif defined(SUCCESSOR_KEPT_BY_PROCESS)
#define INSIDE(r) (kept[r] == token)
#else
#define INSIDE(r) (NOW(r) >= refreshed_at && NOW(r) - refreshed_at <= INTERVAL)
#endif

/* The statement of sessions/store.ts, at replica r, for `token`: sets `result` and `next`. */
inline refresh(r) {
  next = NONE;
  result = refused;
  if
#ifdef REUSE_FORGOTTEN_AT_RESTART
  :: !ended && token < counter && forgotten -> result = tokens; next = counter
#endif
#ifdef REPEAT_MINTS_NEW_CHAIN
  :: !ended && token == fork -> result = tokens; next = 7; fork = 7
  :: !ended && token + 1 == counter && INSIDE(r) && fork == NONE -> result = tokens; next = 6; fork = 6
#endif
#ifdef SPEND_AFTER_MINT
  :: !ended && token == counter -> result = tokens; next = token + 1; unwritten[r] = next
#endif
  :: LIVES(r) && token == counter ->
    counter++;
    refreshed_at = NOW(r);
    result = tokens;
    next = counter
  :: LIVES(r) && token + 1 == counter && INSIDE(r) -> result = tokens; next = counter
  :: LIVES(r) && token < counter && !(token + 1 == counter && INSIDE(r)) ->
    result = replayed;
#ifndef REPLAY_ONLY_REFUSED
    ended = true
#endif
  :: else
  fi;
#ifdef SUCCESSOR_KEPT_BY_PROCESS
  if
  :: result == tokens -> kept[r] = token
  :: else
  fi;
#endif
#ifdef STALE_REPLICA
  read_live[r] = !ended || read_live[r];
#endif
}

/* What the onlooker demands of that answer: it compares with the first that the token was ever given. */
inline judge(i) {
  refreshed_after_end = refreshed_after_end || (logout_acknowledged && result == tokens);
  MET(REFUSAL_AFTER_END, logout_acknowledged && result == refused);
  successor = seen_successor[token];
  last_but_one = successor != NONE && seen_successor[successor] == NONE;
  inside = last_but_one && database_clock >= seen_used_at && database_clock - seen_used_at <= INTERVAL;
  /* Old by any clock. In between is what a failover to a wrong clock leaves open. */
  older = !last_but_one || (!inside && time - seen_used_time > INTERVAL);
  if
  :: was_ended || successor == NONE
  :: else ->
    /* The token was used before. Inside: the same again. Older: nothing, and the session ends. */
    other_successor = other_successor || (inside && result != tokens) || (result == tokens && next != successor);
    older_survived = older_survived || (older && (result == tokens || !ended));
    MET(REPEAT_ELSEWHERE, inside && result == tokens && i == OTHER_TRY && thefts == 0);
    MET(REPLAY_OF_THIEF, older && ended && i == OF_THIEF);
    MET(REPLAY_OF_PERSON, older && ended && thefts > 0 && i != OF_THIEF);
    MET(CLOCK_SET, older && ended && last_but_one && database_clock < seen_used_at)
  fi;
  if
  :: result == tokens && successor == NONE ->
    seen_successor[token] = next;
    seen_used_at = database_clock;
    seen_used_time = time
  :: else
  fi;
  if
  :: result == tokens -> seen_made = seen_made | BIT(next); seen_used = seen_used | BIT(token)
  :: else
  fi;
  /* Tokens that exist and that nobody has used yet: two of them are two chains. */
  ends = seen_made & ~seen_used;
  two_chains = two_chains || (!ended && (ends & (ends - 1)) != 0)
}

/* Request i comes to its replica, which runs the statement. */
#define STATEMENT(i) \
  token = token_of[i]; was_ended = ended; refresh(REPLICA(i)); judge(i); \
  travelling[i] = false; token_of[i] = 0; sent_at[i] = 0; \
  printf("|replica %d: runs the refresh statement for token %d: %e", REPLICA(i), token, result); \
  if \
  :: result == tokens -> printf(" with token %d\n", next) \
  :: result == replayed && ended -> printf(", and the session ends\n") \
  :: else -> printf("\n") \
  fi
/* Spin keeps what a process computed: forgotten, so that it does not multiply the states. */
#define DONE token = 0; next = 0; successor = 0; ends = 0; result = refused; \
  was_ended = false; last_but_one = false; inside = false; older = false

/* The answer arrives. */
inline answer(i) {
  if
  :: i == OF_THIEF && result == tokens -> printf("|thief: receives token %d\n", next); loot = next
  :: i == OF_THIEF && result != tokens
  :: i != OF_THIEF && (!refreshing || token != held) -> printf("|program: does not need the answer any more\n")
  :: i != OF_THIEF && refreshing && token == held ->
    refreshing = false;
    refreshing_since = 0;
    if
    :: result == tokens -> printf("|program: receives token %d\n", next); held = next
    :: else ->
      printf("|program: is told that its session is over\n");
      left = true;
      logged_out = logged_out || (thefts == 0 && !logout_sent && !clock_was_set)
    fi
  fi
}

proctype Network(byte i) {
  byte token, next, successor, ends;
  mtype result = refused;
  bool was_ended, last_but_one, inside, older;
end:
  do
  :: d_step { travelling[i] -> STATEMENT(i); answer(i); DONE }
  :: d_step { travelling[i] && i != OF_THIEF -> STATEMENT(i); printf("|network: loses the answer\n"); DONE }
  :: d_step { travelling[i] && i != OF_THIEF -> STATEMENT(i);
      printf("|replica %d: crashes before it answers, and starts again\n", REPLICA(i));
      MET(CRASH, result == tokens); FORGET(REPLICA(i)); DONE }
  :: d_step { travelling[i] && i != OF_THIEF && time - sent_at[i] >= TRAVEL ->
      printf("|network: loses the request to replica %d\n", REPLICA(i));
      travelling[i] = false; token_of[i] = 0; sent_at[i] = 0 }
#ifdef SPEND_AFTER_MINT
  :: d_step { i != OF_THIEF && unwritten[REPLICA(i)] > counter && unwritten[REPLICA(i)] != NONE ->
      printf("|replica %d: writes that token %d is current\n", REPLICA(i), unwritten[REPLICA(i)]);
      counter = unwritten[REPLICA(i)]; refreshed_at = database_clock; unwritten[REPLICA(i)] = NONE }
#endif
  od
}

#define SEND(i, t) travelling[i] = true; token_of[i] = t; sent_at[i] = time; \
  printf("|%e: sends token %d to replica %d\n", (i == OF_THIEF -> thief : program), t, REPLICA(i))

/*
 * The person's mini program: one refresh at a time, tried again while no answer came, at whichever replica. It begins the next
 * refresh only when nothing of the last is under way: access tokens live longer than a request travels.
 */
active proctype Program() {
end:
  do
  :: d_step { !refreshing && !left && held < LAST && !travelling[FIRST_TRY] && !travelling[OTHER_TRY] ->
      refreshing = true; refreshing_since = time; SEND(FIRST_TRY, held) }
  :: d_step { refreshing && !travelling[FIRST_TRY] && time - refreshing_since <= RETRY -> SEND(FIRST_TRY, held) }
  :: d_step { refreshing && !travelling[OTHER_TRY] && time - refreshing_since <= RETRY -> SEND(OTHER_TRY, held) }
  :: d_step { refreshing && time - refreshing_since > RETRY && !travelling[FIRST_TRY] && !travelling[OTHER_TRY] ->
      printf("|program: has waited long enough and logs in anew\n");
      refreshing = false; left = true; refreshing_since = 0; MET(NEW_LOGIN, true) }
  od
}

/* Copies what the program holds at some moment, and uses it, or what it was given for it, whenever it likes. */
active proctype Thief() {
end:
  do
  :: d_step { loot == NONE -> printf("|thief: copies token %d\n", held); loot = held }
  :: d_step { loot < LAST && thefts < 2 && !travelling[OF_THIEF] -> thefts++; SEND(OF_THIEF, loot) }
  od
}

/* The person's other device, from which the session is ended. */
active proctype Second_device() {
  d_step { printf("|second device: asks replica 1 to end the session\n"); logout_sent = true }
#ifdef END_ANSWERED_BEFORE_COMMIT
  d_step { printf("|second device: is told by replica 1 that the session has ended\n"); logout_acknowledged = true }
  d_step { printf("|replica 1: writes the end of the session\n"); ended = true }
#else
  d_step { printf("|replica 1: writes the end of the session\n"); ended = true }
  d_step { printf("|second device: is told by replica 1 that the session has ended\n"); logout_acknowledged = true }
#endif
}

/* Time passes, but not over a request of the program that has to be carried out or lost by now. */
#define ON_TIME(i) !(travelling[i] && time - sent_at[i] >= TRAVEL)
active proctype Clock() {
end:
  do
  :: d_step { time < HORIZON && ON_TIME(FIRST_TRY) && ON_TIME(OTHER_TRY) -> printf("|tick\n"); time++; database_clock++ }
  :: d_step { !clock_was_set ->
      printf("|database: a failover sets its clock back by %d\n", SET_BACK);
      clock_was_set = true; database_clock = database_clock - SET_BACK }
  od
}

init {
  atomic { run Network(FIRST_TRY); run Network(OTHER_TRY); run Network(OF_THIEF) }
}

ltl one_live_chain { [] !two_chains }
ltl no_refresh_after_end { [] !refreshed_after_end }
ltl same_successor { [] !other_successor }
ltl older_token_ends_session { [] !older_survived }
ltl lost_answers_log_nobody_out { [] !logged_out }
#ifdef REACH
ltl not_met { [] !met }
#endif
