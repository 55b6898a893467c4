/*
 * keys.pml: signing keys over time (contract section 6). Two replicas read the keys from the database again and again, publish
 * what they read, sign with the one that is due, add the next one before it is needed and delete those that are done with. A
 * verifier keeps the published keys for as long as it may and never asks out of turn. A replica may start anew at any moment,
 * and replica 2's clock goes wrong and right again, within the limit of skew or far beyond it.
 *
 * The unit of time is the longest that a reload may take to come, one that fails once included: two reloads. The periods are
 * short, as long as the rules between them hold. Nothing counts time without end, and the numbers of the keys go round, so the
 * promises hold for any number of rotations. All that a replica decides about keys it decides by the database's clock; the
 * clock of its own is only in the tokens that it signs. docs/model.md tells how to read and change this.
 */

#define LATE 1         /* two reloads */
#ifdef CACHE_KEEPS_KEYS_LONGER
#define CACHE 3
#else
#define CACHE 2        /* how long published keys may be kept: max-age, and whatever a cache may add to it */
#endif
#define AHEAD 2        /* SIGNING_KEY_PUBLISH_AHEAD_SECONDS: not less than that */
#define ROTATION 8     /* SIGNING_KEY_ROTATION_SECONDS: more than AHEAD */
#define TOKEN 2        /* ACCESS_TOKEN_TTL_SECONDS */
#define LIMIT 1        /* CLOCK_SKEW_LIMIT_SECONDS */
#define TOLERANCE 1    /* how far clocks may be wrong before an old key is taken away: not less than LIMIT */
#define FAR 9          /* a clock beyond the limit */
#define NONE 3

/* ---- PostgreSQL: at most three keys, numbered round and round */
byte stored;           /* as bits */
byte current = NONE;   /* the one that is due */
byte age;              /* since when, and so since when the one before is not */
byte next_in;          /* when the next one is due; 0: there is no next one */

/* ---- replicas */
byte loaded[2];        /* the keys that it publishes and signs with, as bits; none: it is not ready */
byte since_reload[2];
byte adding[2] = NONE; /* the key that it is about to add */
byte skew;             /* what replica 2's clock is ahead of the database's */

/* ---- the verifier */
byte known;            /* the keys that it has, as bits; none: it has not fetched */
byte since_fetch;

/* ---- what an onlooker saw, and promises broken */
byte tokens_live[3];   /* how long tokens that were signed with the key live still */
bool unknown_key, key_deleted, added_twice, two_sign;

#ifdef REACH
bool met;
#define MET(what, when) met = met || (what == REACH && (when))
#define ROTATED 1
#define OLD_KEY_DELETED 2
#define RACE 3
#define SIGNS_SKEWED 4
#define TOO_SKEWED_TO_SIGN 5
#define OLD_TOKEN_TAKEN 6
#define LATE_RELOAD 7
#else
#define MET(what, when) skip
#endif

#define BIT(k) (1 << (k))
#define HAS(keys, k) (((keys) & BIT(k)) != 0)
#define AFTER(k) (((k) + 1) % 3)
#define BEFORE(k) (((k) + 2) % 3)

/* What replica r takes for the database's time, as ahead of it. */
#define OWN(r) (skew * (r))
#ifdef DELETION_BY_REPLICA_CLOCK
#define AT(r) OWN(r)
#else
#define AT(r) 0
#endif

#if defined(NO_PUBLISH_AHEAD)
#define LEAD 1
#elif defined(NO_RELOAD_MARGIN)
#define LEAD AHEAD
#else
#define LEAD (AHEAD + LATE)
#endif
#ifdef DELETED_TOO_EARLY
#define KEPT 0
#else
#define KEPT (TOKEN + TOLERANCE + CACHE)
#endif

/* Whether the key before the current one, and the current one, are done with: the successor has signed for long enough. */
#define BEFORE_GONE(r) (stored != 0 && HAS(stored, BEFORE(current)) && age + AT(r) > KEPT)
#define CURRENT_GONE(r) (next_in > 0 && AT(r) > next_in + KEPT)
/* Whether the next key has to be added. */
#define DUE(r) (stored != 0 && next_in == 0 && age + AT(r) + LEAD >= ROTATION)

inline reload(r) {
  if
  :: BEFORE_GONE(r) -> stored = stored & ~BIT(BEFORE(current)); MET(OLD_KEY_DELETED, true);
    printf("|replica %d: deletes key %d from the database\n", r + 1, BEFORE(current) + 1)
  :: else
  fi;
  if
  :: CURRENT_GONE(r) -> stored = stored & ~BIT(current); key_deleted = true;
    printf("|replica %d: deletes key %d, which signs, from the database\n", r + 1, current + 1)
  :: else
  fi;
  loaded[r] = stored;
  since_reload[r] = 0;
  if
  :: stored == 0 -> adding[r] = 0
  :: DUE(r) -> adding[r] = AFTER(current)
  :: else
  fi
}

/* A generation is unique: of the replicas that add it one wins. */
inline add(r) {
  if
  :: HAS(stored, adding[r]) ->
#ifdef GENERATION_NOT_UNIQUE
    printf("|replica %d: adds another key %d\n", r + 1, adding[r] + 1);
    added_twice = true
#else
    printf("|replica %d: finds that key %d is there already\n", r + 1, adding[r] + 1);
    MET(RACE, true)
#endif
  :: stored == 0 -> stored = BIT(0); current = 0; age = 0; printf("|replica %d: adds key 1, which signs from now on\n", r + 1)
  :: stored != 0 && !HAS(stored, adding[r]) ->
    stored = stored | BIT(adding[r]);
    next_in = LEAD + AT(r);
    printf("|replica %d: adds key %d, which signs %d units of time later\n", r + 1, adding[r] + 1, next_in)
  fi;
  adding[r] = NONE;
  loaded[r] = stored
}

/* The key that is due; where the replica does not know it, the one before. */
#define ACTIVE(r) (HAS(loaded[r], current) -> current : BEFORE(current))
#ifdef SIGNS_BY_REPLICA_CLOCK
#define SIGNS_WITH(r) (next_in > 0 && OWN(r) >= next_in && HAS(loaded[r], AFTER(current)) -> AFTER(current) : ACTIVE(r))
#else
#define SIGNS_WITH(r) ACTIVE(r)
#endif
/* A replica whose clock is beyond the limit signs nothing. */
#ifdef SKEW_UNCHECKED
#define MAY_SIGN(r) (loaded[r] != 0)
#else
#define MAY_SIGN(r) (loaded[r] != 0 && OWN(r) <= LIMIT)
#endif

proctype Replica(byte r) {
  byte key;
end:
  do
  :: d_step { adding[r] == NONE && (since_reload[r] > 0 || loaded[r] == 0) -> printf("|replica %d: reads the keys\n", r + 1);
      MET(LATE_RELOAD, since_reload[r] == LATE && stored != loaded[r]); reload(r) }
  :: d_step { adding[r] != NONE -> add(r) }
  :: d_step { MAY_SIGN(r) ->
      key = SIGNS_WITH(r);
      printf("|replica %d: signs a token with key %d, good for %d units of time\n", r + 1, key + 1, TOKEN + OWN(r));
      two_sign = two_sign || (key == BEFORE(current) && tokens_live[current] > 0);
      tokens_live[key] = (tokens_live[key] > TOKEN + OWN(r) -> tokens_live[key] : TOKEN + OWN(r));
      MET(SIGNS_SKEWED, OWN(r) > 0 && key != 0);
      key = 0 }
  :: d_step { loaded[r] != 0 && adding[r] == NONE -> printf("|replica %d: crashes\n", r + 1); loaded[r] = 0; since_reload[r] = 0 }
  od
}

/* The verifier is shown every token that lives: one whose key it does not know is refused. */
#define FETCH(r) d_step { loaded[r] != 0 && (since_fetch > 0 || known == 0) -> \
    known = loaded[r]; since_fetch = 0; printf("|verifier: fetches the keys of replica %d\n", r + 1) }
#define SHOW(k) d_step { known != 0 && since_fetch < CACHE && tokens_live[k] > 0 && !HAS(known, k) -> \
    printf("|verifier: is shown a token of key %d, which it does not know\n", k + 1); unknown_key = true }
active proctype Verifier() {
end:
  do
  :: FETCH(0)
  :: FETCH(1)
  :: SHOW(0)
  :: SHOW(1)
  :: SHOW(2)
  od
}

/* Time passes, but not over a reload or a fetch that is due. */
#define PASS(what) what = (what > 0 -> what - 1 : 0)
active proctype Clock() {
end:
  do
  :: d_step { stored != 0 && since_reload[0] < LATE && since_reload[1] < LATE && since_fetch < CACHE ->
      printf("|tick\n");
      age = (age < ROTATION -> age + 1 : age);
      if
      :: next_in == 1 -> current = AFTER(current); age = 0; next_in = 0; MET(ROTATED, current == 2)
      :: next_in > 1 -> next_in--
      :: else
      fi;
      MET(OLD_TOKEN_TAKEN, tokens_live[BEFORE(current)] == 1 && age > 0 && HAS(known, BEFORE(current)));
      PASS(tokens_live[0]); PASS(tokens_live[1]); PASS(tokens_live[2]);
      if :: loaded[0] != 0 -> since_reload[0]++ :: else fi;
      if :: loaded[1] != 0 -> since_reload[1]++ :: else fi;
      if :: known != 0 -> since_fetch++ :: else fi }
  :: d_step { skew == 0 && stored != 0 -> skew = LIMIT; printf("|replica 2: its clock is ahead by %d, within the limit\n", LIMIT) }
  :: d_step { skew == 0 && stored != 0 -> skew = FAR; printf("|replica 2: its clock is ahead by %d, beyond the limit\n", FAR);
      MET(TOO_SKEWED_TO_SIGN, loaded[1] != 0) }
  :: d_step { skew > 0 -> skew = 0; printf("|replica 2: its clock is right again\n") }
  od
}

init {
  atomic { run Replica(0); run Replica(1) }
}

ltl no_unknown_key { [] !unknown_key }
ltl no_signing_key_deleted { [] !key_deleted }
ltl rotation_happens_once { [] !added_twice }
ltl one_key_signs { [] !two_sign }
#ifdef REACH
ltl not_met { [] !met }
#endif
