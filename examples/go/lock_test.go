package sluice

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const minute = time.Minute

func locker(t *testing.T) *Locker {
	l := NewLocker(connect(t), 10*time.Second)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestALockIsHeldByOneAndUnlockedByItsHolderOnly(t *testing.T) {
	one, other, key := locker(t), locker(t), "lock:"+uuid.NewString()
	is(t, one.Lock(key, minute), nil)
	is(t, one.Lock(key, minute), ErrAlreadyLocked)
	is(t, other.Lock(key, minute), ErrAlreadyLocked)
	is(t, other.Unlock(key), ErrNotLocked)
	fence := one.Fence(key)
	if fence == 0 || other.Fence(key) != 0 {
		t.Fatalf("fences %d and %d", fence, other.Fence(key))
	}
	is(t, one.Unlock(key), nil)
	is(t, one.Unlock(key), ErrNotLocked)
	is(t, other.Lock(key, minute), nil)
	if other.Fence(key) <= fence {
		t.Fatalf("%d after %d", other.Fence(key), fence)
	}
}

func TestWhoseLeaseHasEndedUnlocksNobodyElse(t *testing.T) {
	one, other, key := locker(t), locker(t), "lock:"+uuid.NewString()
	is(t, one.Lock(key, minute), nil)
	one.calls.Del(context.Background(), key) // as if it had ended
	is(t, other.Lock(key, minute), nil)
	is(t, one.Lock(key, minute), ErrAlreadyLocked) // another goroutine of this process has not unlocked
	is(t, one.Unlock(key), ErrNotLocked)
	is(t, one.Lock(key, minute), ErrAlreadyLocked)
	is(t, other.Unlock(key), nil)
	is(t, one.Lock(key, minute), nil)
}

func TestWhoWaitsGetsItNext(t *testing.T) {
	one, other, key := locker(t), locker(t), "lock:"+uuid.NewString()
	is(t, one.Lock(key, minute), nil)
	waiting := make(chan error)
	go func() { waiting <- other.LockWithin(context.Background(), key, minute, minute) }()
	waiters(t, one, key, 1)
	is(t, one.Unlock(key), nil)
	is(t, <-waiting, nil)
	is(t, other.Unlock(key), nil)
}

func TestAWaitEndsByItselfOrIsGivenUp(t *testing.T) {
	one, other, key := locker(t), locker(t), "lock:"+uuid.NewString()
	is(t, one.Lock(key, minute), nil)
	is(t, other.LockWithin(context.Background(), key, minute, time.Millisecond), ErrAlreadyLocked)
	ctx, giveUp := context.WithCancel(context.Background())
	waiting := make(chan error)
	go func() { waiting <- other.LockWithin(ctx, key, minute, minute) }()
	waiters(t, one, key, 1)
	giveUp()
	is(t, <-waiting, context.Canceled)
	waiters(t, one, key, 0)
	is(t, one.Unlock(key), nil)
	is(t, one.Lock(key, minute), nil)
}

func TestALostReplyIsFoundOut(t *testing.T) {
	for _, lost := range []string{"LOCK.TRY", "LOCK.ACQUIRE", "LOCK.RELEASE"} {
		l, key := locker(t), "lock:"+uuid.NewString()
		l.calls.AddHook(&loses{reply: lost})
		l.waits.AddHook(&loses{reply: lost})
		wait := time.Duration(0)
		if lost == "LOCK.ACQUIRE" {
			wait = minute
		}
		is(t, l.LockWithin(context.Background(), key, minute, wait), nil)
		if l.Fence(key) == 0 {
			t.Errorf("no fence after a lost %s", lost)
		}
		is(t, l.Unlock(key), nil)
		is(t, locker(t).Lock(key, minute), nil)
	}
}

func TestWithoutAnyAnswerThereIsNoLock(t *testing.T) {
	l, key := locker(t), "lock:"+uuid.NewString()
	l.calls.AddHook(&loses{reply: "LOCK.TRY"})
	l.calls.AddHook(&loses{reply: "LOCK.EXTEND"})
	if err := l.Lock(key, minute); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	is(t, locker(t).Lock(key, minute), nil) // it was released, as far as anybody could
}

func TestALockIsKeptUntilItIsLost(t *testing.T) {
	const lease = 600 * time.Millisecond
	l, key := locker(t), "lock:"+uuid.NewString()
	is(t, l.Lock(key, lease), nil)
	l.calls.AddHook(&loses{reply: "LOCK.EXTEND"}) // once: the next one comes in time
	ctx, stop := l.Keep(context.Background(), key, lease)
	defer stop()
	time.Sleep(2 * lease) // no condition to wait for: that nothing happens is the promise
	is(t, ctx.Err(), nil)
	is(t, locker(t).Lock(key, minute), ErrAlreadyLocked)
	l.calls.Del(context.Background(), key)
	<-ctx.Done()
	is(t, l.Unlock(key), ErrNotLocked)
}

func TestWithoutAnswersALockIsLostWhenItsLeaseMayHaveEnded(t *testing.T) {
	const lease = 300 * time.Millisecond
	l, key := locker(t), "lock:"+uuid.NewString()
	before := time.Now()
	is(t, l.Lock(key, lease), nil)
	l.calls.AddHook(&loses{reply: "LOCK.EXTEND", always: true})
	ctx, stop := l.Keep(context.Background(), key, lease)
	defer stop()
	<-ctx.Done()
	if time.Since(before) < lease {
		t.Error("too soon")
	}
}

var errLost = &net.OpError{Op: "read", Err: errors.New("the reply is lost")}

// loses is a network that carries a command to the server, and not its reply back.
type loses struct {
	reply  string
	always bool
	done   bool
}

func (h *loses) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *loses) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *loses) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Args()[0] == h.reply && (h.always || !h.done) {
			h.done = true
			err = errLost
			cmd.SetErr(err)
		}
		return err
	}
}

func waiters(t *testing.T, l *Locker, key string, want int64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		info, _ := l.calls.Do(context.Background(), "LOCK.INFO", key).Result()
		if fields, ok := info.(map[interface{}]interface{}); ok && fields["waiting"] == want {
			return
		}
	}
	t.Fatalf("never %d waiters", want)
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v instead of %v", err, want)
	}
}
