package caddyntlm

import (
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
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
		core, logs := observer.New(zapcore.InfoLevel)
		(&Handler{offered: []scheme{tt.offered}, log: zap.New(core)}).makeRoom(server)
		if told := logs.FilterMessageSnippet("128 KiB of request headers").Len() == 1; told != (tt.got != tt.configured) {
			t.Errorf("%s: the log tells of it: %v", tt.name, told)
		}
		if server.MaxHeaderBytes != tt.got {
			t.Errorf("%s: got %d, want %d", tt.name, server.MaxHeaderBytes, tt.got)
		}
	}
}
