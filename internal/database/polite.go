package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// politeConnector makes do with fewer connections when the server has no more:
// each time it refuses one, the pool shrinks by one, and whoever asked queues
// for those that there are. After a while the pool may grow again.
type politeConnector struct {
	driver.Connector
	pool atomic.Pointer[sql.DB]
	most int

	mu      sync.Mutex
	refused time.Time // the last time
	limit   int       // of the pool, 0 = most
}

// growAfter is how long after the last refusal the pool tries more connections.
const growAfter = 30 * time.Second

// Connect implements driver.Connector.
func (p *politeConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err == nil {
		p.grow()
		return conn, nil
	}
	if tooManyConnections(err) && p.shrink() {
		return nil, driver.ErrBadConn // the pool asks again, and has to wait for a connection
	}
	return nil, err
}

// shrink takes one from the limit of the pool, and tells whether any is left.
func (p *politeConnector) shrink() bool {
	pool := p.pool.Load()
	if pool == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = time.Now()
	if p.limit == 0 {
		p.limit = p.most
	}
	if p.limit == 1 {
		return false
	}
	p.limit--
	pool.SetMaxOpenConns(p.limit)
	return true
}

func (p *politeConnector) grow() {
	pool := p.pool.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit != 0 && pool != nil && time.Since(p.refused) > growAfter {
		p.limit = 0
		pool.SetMaxOpenConns(p.most)
	}
}

func tooManyConnections(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1040 || e.Number == 1203 || e.Number == 1226)
}
