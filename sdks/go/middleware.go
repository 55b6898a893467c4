package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
)

// Middleware lets requests with a good access token through, for net/http and every router built on its handlers. With roles,
// only those who have at least one of them; the others get 403. The handler finds the claims by FromContext.
func (v *Verifier) Middleware(anyRole ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			claims, err := v.Authenticate(request, anyRole...)
			if err != nil {
				WriteRefusal(w, err)
				return
			}
			next.ServeHTTP(w, request.WithContext(NewContext(request.Context(), claims)))
		})
	}
}

// RFC 6750 section 2.1: the scheme's case does not count. A token in a query or a body is not looked for (RFC 9700).
var bearer = regexp.MustCompile(`^(?i:Bearer) +([\w.~+/=-]+)$`)

// Authenticate verifies the token of a request, for middleware of other frameworks.
func (v *Verifier) Authenticate(request *http.Request, anyRole ...string) (Claims, error) {
	token := ""
	if found := bearer.FindStringSubmatch(request.Header.Get("Authorization")); found != nil {
		token = found[1]
	}
	claims, err := v.Verify(request.Context(), token)
	if err == nil && len(anyRole) > 0 && !claims.HasRole(anyRole...) {
		return Claims{}, refuse(RoleMissing, "the user has none of the roles this needs")
	}
	return claims, err
}

type contextKey struct{}

// NewContext carries the claims to handlers.
func NewContext(ctx context.Context, claims Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// FromContext gives the claims of the request's user.
func FromContext(ctx context.Context) (Claims, bool) {
	claims, ok := ctx.Value(contextKey{}).(Claims)
	return claims, ok
}

// WriteRefusal answers in the gateway's own envelope and codes, so that a mini program handles one form of error from every service.
func WriteRefusal(w http.ResponseWriter, err error) {
	reason := SignatureInvalid
	var refusal *Error
	if errors.As(err, &refusal) {
		reason = refusal.Reason
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	status, code, msg := reason.Status(), "A0230", "登录已失效，请重新登录"
	// RFC 6750 section 3. The description is the reason, never text from the token.
	switch status {
	case http.StatusServiceUnavailable:
		code, msg = "B0320", "服务暂时不可用，请稍后再试"
		header.Set("Retry-After", "5")
	case http.StatusForbidden:
		code, msg = "A0312", "没有权限"
		header.Set("WWW-Authenticate", `Bearer error="insufficient_scope", error_description="`+string(reason)+`"`)
	default:
		header.Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+string(reason)+`"`)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "msg": msg, "data": nil})
}
