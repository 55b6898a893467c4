package verifier

import (
	"context"
	"slices"
	"strings"
	"time"
)

// signedTokens is what access tokens and security events have in common: form, type, key, signature, issuer, audience and
// time, in this order.
type signedTokens struct {
	issuer               string
	audience, algorithms []string
	tolerance            float64
	keys                 *keySet
	now                  func() time.Time
	clockError           func() string
}

// tokenKind is what a token must be: the types its header may name, and the claims that must be there.
type tokenKind struct {
	name            string
	types, required []string
}

// open gives the claims of a token of this kind, once everything but the kind's own claims is proved.
func (s *signedTokens) open(ctx context.Context, token string, kind *tokenKind) (map[string]any, *Error) {
	if token == "" {
		return nil, refuse(TokenMissing, "there is no token")
	}
	parsed, refusal := parseForm(token, maxTokenChars)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := s.keys.verifySignature(ctx, parsed, kind); refusal != nil {
		return nil, refusal
	}
	return parsed.payload, s.checkRegistered(parsed.payload, kind)
}

// verifySignature also serves status lists, which are signed by the same keys.
func (k *keySet) verifySignature(ctx context.Context, parsed *form, kind *tokenKind) *Error {
	alg, _ := parsed.header["alg"].(string)
	if alg == "" {
		return malformed("the header names no algorithm")
	}
	if !contains(k.algorithms, alg) {
		return refuse(AlgorithmRefused, "the algorithm is not allowed")
	}
	// RFC 8725 section 3.11: what the gateway signs for another purpose is not taken for this, though key, issuer and signature
	// be right. RFC 7515 section 4.1.9: application/ may be left out, case does not count.
	typ, _ := parsed.header["typ"].(string)
	if !contains(kind.types, strings.TrimPrefix(strings.ToLower(typ), "application/")) {
		return refuse(TypeMismatch, "this is not "+kind.name)
	}
	key, refusal := k.find(ctx, parsed.header)
	if refusal != nil {
		return refusal
	}
	if key.method.Verify(parsed.signed, parsed.signature, key.key) != nil {
		return refuse(SignatureInvalid, "invalid signature")
	}
	return nil
}

func (s *signedTokens) checkRegistered(claims map[string]any, kind *tokenKind) *Error {
	for _, name := range kind.required {
		if _, found := claims[name]; !found {
			return missingClaim(name)
		}
	}
	if claims["iss"] != s.issuer {
		return refuse(IssuerMismatch, "the token is not of the issuer "+s.issuer)
	}
	audience, ok := texts(claims["aud"])
	if !ok || !slices.ContainsFunc(s.audience, func(ours string) bool { return contains(audience, ours) }) {
		return refuse(AudienceMismatch, "the token is not for this service, whose audience is "+strings.Join(s.audience, ", "))
	}
	if refusal := checkTimes(claims, s.now(), s.tolerance); refusal != nil {
		if clock := s.clockError(); clock != "" && refusal.Reason != ClaimInvalid {
			refusal.words += ", but " + clock
		}
		return refusal
	}
	return nil
}

// checkTimes reads NumericDates (RFC 7519 section 2), which may have fractions; now is in whole seconds.
func checkTimes(claims map[string]any, now time.Time, tolerance float64) *Error {
	var dates [3]float64
	for i, name := range [3]string{"iat", "nbf", "exp"} {
		if value, found := claims[name]; found {
			date, ok := value.(float64)
			if !ok {
				return invalidClaim(name)
			}
			dates[i] = date
		}
	}
	seconds := float64(now.Unix())
	if _, found := claims["nbf"]; found && dates[1] > seconds+tolerance {
		return refuse(TokenNotYetValid, "the token is not valid yet")
	}
	if _, found := claims["exp"]; found && dates[2] <= seconds-tolerance {
		return refuse(TokenExpired, "the token has expired")
	}
	return nil
}

// texts reads a text or a list of texts.
func texts(value any) ([]string, bool) {
	if text, ok := value.(string); ok {
		return []string{text}, true
	}
	return textList(value)
}

func textList(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	result := make([]string, len(list))
	for i, item := range list {
		if result[i], ok = item.(string); !ok {
			return nil, false
		}
	}
	return result, true
}
