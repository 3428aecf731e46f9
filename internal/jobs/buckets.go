package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A guest has no jobs of its own to place: what others have made it opens as it is.
func (n *Node) guest() bool { return len(n.cfg.Routes) == 0 && !n.cfg.Tasks }

// openStream makes a stream as it should be, or opens the one that is there.
func (n *Node) openStream(ctx context.Context, c jetstream.StreamConfig) (s jetstream.Stream, err error) {
	if s, err = n.js.Stream(ctx, c.Name); err != nil || !n.guest() {
		c.Replicas = n.replicas(ctx, c.Name)
		s, err = n.js.CreateOrUpdateStream(ctx, c)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", c.Name, err)
	}
	return s, nil
}

func (n *Node) bucket(name string) string { return "girin-" + n.names.app + "-" + name }

func (n *Node) openBucket(ctx context.Context, name string, life time.Duration) (jetstream.KeyValue, error) {
	kv, err := n.js.KeyValue(ctx, n.bucket(name))
	if err == nil && n.guest() {
		return kv, nil
	}
	return n.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: n.bucket(name), TTL: life, LimitMarkerTTL: markerLife, Storage: jetstream.FileStorage, Replicas: n.replicas(ctx, "KV_"+n.bucket(name)),
	})
}

// markerLife is how long a bucket knows that a key has gone; with it keys may have a life
// of their own.
const markerLife = time.Minute

func (n *Node) openObjects(ctx context.Context, name string, life time.Duration) (jetstream.ObjectStore, error) {
	objects, err := n.js.ObjectStore(ctx, n.bucket(name))
	if err == nil && n.guest() {
		return objects, nil
	}
	return n.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: n.bucket(name), TTL: life, Storage: jetstream.FileStorage, Replicas: n.replicas(ctx, "OBJ_"+n.bucket(name)),
	})
}

// replicas is how many copies of a stream there are to be: as the node was told, else as
// many as there are.
func (n *Node) replicas(ctx context.Context, stream string) int {
	if n.cfg.Replicas > 0 {
		return n.cfg.Replicas
	}
	if s, err := n.js.Stream(ctx, stream); err == nil {
		return s.CachedInfo().Config.Replicas
	}
	return 1
}
