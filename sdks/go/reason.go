package verifier

import (
	"errors"
	"net/http"
)

// Reason says why a token was not accepted. The list is closed, and the same in every language (sdks/vectors/README.md).
type Reason string

const (
	TokenMissing      Reason = "token_missing"
	TokenMalformed    Reason = "token_malformed"
	TokenExpired      Reason = "token_expired"
	TokenNotYetValid  Reason = "token_not_yet_valid"
	SignatureInvalid  Reason = "signature_invalid"
	AlgorithmRefused  Reason = "algorithm_refused"
	KeyUnknown        Reason = "key_unknown"
	TypeMismatch      Reason = "type_mismatch"
	IssuerMismatch    Reason = "issuer_mismatch"
	AudienceMismatch  Reason = "audience_mismatch"
	ClaimMissing      Reason = "claim_missing"
	ClaimInvalid      Reason = "claim_invalid"
	SessionEnded      Reason = "session_ended"
	RoleMissing       Reason = "role_missing"
	KeysUnavailable   Reason = "keys_unavailable"
	StatusUnavailable Reason = "status_unavailable"
)

// Status is the HTTP status that fits. An outage is never a 401: a client that is told 401 logs its user out.
func (r Reason) Status() int {
	switch r {
	case RoleMissing:
		return http.StatusForbidden
	case KeysUnavailable, StatusUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnauthorized
	}
}

// Error is every error that Verify, VerifyEvent and Ready return. It holds no part of the token, so it may be logged.
type Error struct {
	Reason Reason
	words  string
	cause  error
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.words }

// Unwrap gives what went wrong in the background, for KeysUnavailable.
func (e *Error) Unwrap() error { return e.cause }

// ReasonOf gives the reason of an error of this package, and "" for any other.
func ReasonOf(err error) Reason {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ""
}

func refuse(reason Reason, words string) *Error { return &Error{Reason: reason, words: words} }

func missingClaim(name string) *Error {
	return refuse(ClaimMissing, `the token has no "`+name+`"`)
}

func invalidClaim(name string) *Error {
	return refuse(ClaimInvalid, `claim "`+name+`" is invalid`)
}
