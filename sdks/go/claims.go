package verifier

import (
	"math"
	"time"
)

// Claims are those of an access token (RFC 9068), checked.
type Claims struct {
	Issuer string
	// Subject is the user's id.
	Subject  string
	Audience []string
	// ClientID is the mini program's appid.
	ClientID  string
	IssuedAt  time.Time
	ExpiresAt time.Time
	ID        string
	// SessionID names the sign-in on one device.
	SessionID string
	Roles     []string
	// OpenID, UnionID and Platform are there when the gateway's ACCESS_TOKEN_CLAIMS says so.
	OpenID, UnionID, Platform string
	// All are the claims as they came, those above and any other, as encoding/json reads them.
	All map[string]any
}

// HasRole reports whether the user has one of these roles.
func (c *Claims) HasRole(roles ...string) bool {
	for _, role := range roles {
		if contains(c.Roles, role) {
			return true
		}
	}
	return false
}

var accessToken = &tokenKind{"an access token", []string{"jwt", "at+jwt"}, []string{"exp", "iss", "aud"}}

type statusReference struct {
	uri   string
	index int64
}

const maxSafeInteger = 1<<53 - 1

// readClaims proves the shape of a token whose signature holds; iss, aud and exp have been checked by then.
func readClaims(payload map[string]any) (Claims, *statusReference, *Error) {
	claims := Claims{All: payload}
	claims.Issuer, _ = payload["iss"].(string)
	claims.Audience, _ = texts(payload["aud"])
	claims.ExpiresAt = dateOf(payload["exp"])
	for _, text := range [...]struct {
		name   string
		target *string
	}{{"sub", &claims.Subject}, {"sid", &claims.SessionID}, {"client_id", &claims.ClientID}, {"jti", &claims.ID}} {
		value, found := payload[text.name]
		if !found {
			return Claims{}, nil, missingClaim(text.name)
		}
		if *text.target, _ = value.(string); *text.target == "" {
			return Claims{}, nil, invalidClaim(text.name)
		}
	}
	for _, text := range [...]struct {
		name   string
		target *string
	}{{"openid", &claims.OpenID}, {"unionid", &claims.UnionID}, {"platform", &claims.Platform}} {
		if value, found := payload[text.name]; found {
			ok := false
			if *text.target, ok = value.(string); !ok {
				return Claims{}, nil, invalidClaim(text.name)
			}
		}
	}
	issued, found := payload["iat"]
	if !found {
		return Claims{}, nil, missingClaim("iat")
	}
	claims.IssuedAt = dateOf(issued)
	if roles, found := payload["roles"]; found {
		ok := false
		if claims.Roles, ok = textList(roles); !ok {
			return Claims{}, nil, invalidClaim("roles")
		}
	}
	status, found := payload["status"]
	if !found {
		return claims, nil, nil
	}
	reference := readStatus(status)
	if reference == nil {
		return Claims{}, nil, invalidClaim("status")
	}
	return claims, reference, nil
}

func readStatus(status any) *statusReference {
	object, _ := status.(map[string]any)
	list, _ := object["status_list"].(map[string]any)
	uri, isText := list["uri"].(string)
	index, isNumber := list["idx"].(float64)
	if !isText || !isNumber || index < 0 || index > maxSafeInteger || index != math.Trunc(index) {
		return nil
	}
	return &statusReference{uri, int64(index)}
}

// dateOf clamps what no time.Time would print; the comparison with now was made with the number itself.
func dateOf(value any) time.Time {
	seconds, _ := value.(float64)
	const year9999, year0 = 253_402_300_799, -62_167_219_200
	whole, fraction := math.Modf(max(year0, min(seconds, year9999)))
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}
