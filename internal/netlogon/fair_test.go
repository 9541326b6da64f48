package netlogon

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
)

// TestNoTimeToOpen: an opening that a log-in has no time left for says nothing about the
// controller; one that had time says that it opens no channel.
func TestNoTimeToOpen(t *testing.T) {
	for name, c := range map[string]struct {
		left time.Duration // of the log-in's time
		want bool          // a ChannelError
	}{
		"the last moment": {30 * time.Millisecond, false},
		"time enough":     {fairOpening + 100*time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := new(controller).config(t)
			config.Connect = func(ctx context.Context) (dcerpc.Stream, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			client, err := NewClient(config, 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), c.left)
			defer cancel()
			v, err := client.LogOn(ctx, someone())
			var channel *ChannelError
			if v != nil || !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &channel) != c.want {
				t.Errorf("got %v, %v, want a ChannelError: %v", v, err, c.want)
			}
		})
	}
}
