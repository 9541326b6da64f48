package caddyntlm

import (
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

func TestMakeRoom(t *testing.T) {
	for _, tt := range []struct {
		name            string
		offered         scheme
		configured, got int
	}{
		{"negotiate", schemeNegotiate, 16 << 10, 128 << 10},
		{"ntlm", schemeNTLM, 16 << 10, 16 << 10},
		{"configured small", schemeNegotiate, 8 << 10, 8 << 10},
		{"configured large", schemeNegotiate, 1 << 20, 1 << 20},
	} {
		server := &caddyhttp.Server{MaxHeaderBytes: tt.configured}
		(&Handler{offered: []scheme{tt.offered}, log: zap.NewNop()}).makeRoom(server)
		if server.MaxHeaderBytes != tt.got {
			t.Errorf("%s: got %d, want %d", tt.name, server.MaxHeaderBytes, tt.got)
		}
	}
}
