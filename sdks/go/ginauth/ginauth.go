// Package ginauth puts the verifier in front of gin's routes. It is a module of its own, so that a service without gin has none.
package ginauth

import (
	"authgateway.internal/verifier"
	"github.com/gin-gonic/gin"
)

const key = "authgateway.internal/verifier"

// Auth lets requests with a good access token through; with roles, only those who have at least one of them.
func Auth(v *verifier.Verifier, anyRole ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		claims, err := v.Authenticate(c.Request, anyRole...)
		if err != nil {
			verifier.WriteRefusal(c.Writer, err)
			c.Abort()
			return
		}
		c.Set(key, claims)
		c.Request = c.Request.WithContext(verifier.NewContext(c.Request.Context(), claims))
		c.Next()
	}
}

// Claims gives the claims of the request's user, in a handler behind Auth.
func Claims(c *gin.Context) verifier.Claims {
	claims, _ := c.MustGet(key).(verifier.Claims)
	return claims
}
