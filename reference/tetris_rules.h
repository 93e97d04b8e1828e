/* Tetris `standard` for many games at once, and a teacher that looks two pieces ahead: C11 for the CPU, CUDA C++ (NVRTC)
 * for a GPU. A copy of lmgame_games.tetris (guideline, srs, engine, and `worth` of evaluation), held equal by a test.
 *
 * A board is ten ints, one a column; bit y is row y, 0 the lowest, of ROWS = 24. No living game reaches higher: what locks
 * in whole at row 20 or above has ended it, so that the highest cell of one that goes on is in row 22. Kinds 1..7 = I, O,
 * T, S, Z, J, L. A piece stands at (x, y), the lower left corner of its bounding box. Its shape has four bits a column of
 * the box, from the left; bit j of the four is row j of the box.
 *
 * An action is turn * 11 + shift + 5: turn 0 none, 1 clockwise, 2 clockwise twice, 3 counter-clockwise; then `shift`
 * columns to the right, -5..5; then a hard drop. Hold is never used. Those are at most 7 moves of 4 frames before the drop:
 * within the lock delay of 30 frames and 15 resets, so that nothing locks before it and no lock delay is kept here.
 */
#ifdef __CUDACC__
#define FUNCTION static __device__ __forceinline__
#define LARGE_FUNCTION static __device__ __noinline__
#define TABLE static __device__ const
#define KERNEL extern "C" __global__ void
#define EACH(index, count) \
    for (int index = blockIdx.x * blockDim.x + threadIdx.x; index < (count); index += gridDim.x * blockDim.x)
#define ONES(word) __popc(word)
#define LEADING_ZEROS(word) __clz((int)(word)) /* 32 for 0 */
#define LOWEST(word) (__ffs((int)(word)) - 1)
#define UNROLL _Pragma("unroll")
#else
#define FUNCTION static inline
#define LARGE_FUNCTION static
#define TABLE static const
#define KERNEL void
#define EACH(index, count) for (int index = 0; index < (count); index++)
#define ONES(word) __builtin_popcount(word)
#define LEADING_ZEROS(word) ((word) ? __builtin_clz(word) : 32)
#define LOWEST(word) __builtin_ctz(word)
#define UNROLL
#endif

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { ROWS = 24, COLUMNS = 10, SPAN = 0xFFFFFF, VISIBLE = 20, QUEUE = 5 };
enum { ACTIONS = 44, SHIFTS = 11, MOVE_FRAMES = 4, TICK = 1000 };
enum { LINES_A_LEVEL = 10, TOP_LEVEL = 10, KIND_I = 1 };

/* El-Tetris weights of Pierre Dellacherie's features, as in lmgame_games.tetris.evaluation. */
#define LANDING_HEIGHT -4.500158825082766f
#define LINES 3.4181268101392694f
#define ROW_TRANSITIONS -3.2178882868487753f
#define COLUMN_TRANSITIONS -9.348695305445199f
#define HOLES -7.899265427351652f
#define WELLS -3.3855972247263626f
/* A tenth of the scripted player's: of two ways to one place the shorter. */
#define PRESS -0.1f
#define GAME_OVER -1000.0f
#define INVALID -10000.0f

TABLE u16 SHAPES[8][4] = {
    {0, 0, 0, 0},
    {0x4444, 0x0F00, 0x2222, 0x00F0}, /* I */
    {0x0033, 0x0033, 0x0033, 0x0033}, /* O */
    {0x0262, 0x0270, 0x0232, 0x0072}, /* T */
    {0x0462, 0x0360, 0x0231, 0x0036}, /* S */
    {0x0264, 0x0630, 0x0132, 0x0063}, /* Z */
    {0x0226, 0x0470, 0x0322, 0x0071}, /* J */
    {0x0622, 0x0170, 0x0223, 0x0074}, /* L */
};
/* Where the box of a kind appears. */
TABLE i8 SPAWN_X[8] = {0, 3, 4, 3, 3, 3, 3, 3};
TABLE i8 SPAWN_Y[8] = {0, 18, 20, 19, 19, 19, 19, 19};
/* Turns (0 none, 1 clockwise, 2 half, 3 counter-clockwise) that lead to different places. */
TABLE u8 TURNS[8] = {0, 2, 1, 4, 2, 2, 4, 4};
/* Thousandths of a frame a piece takes to fall one row, by level. */
TABLE int PERIODS[TOP_LEVEL + 1] = {0, 60000, 47580, 37068, 28364, 21312, 15720, 11381, 8084, 5633, 3849};
/* Wall kicks of the turns that an action can make: from 0 to 1, from 1 to 2, and counter-clockwise from 0 to 3; columns to
 * the right, rows up. */
TABLE i8 KICKS_I[3][5][2] = {
    {{0, 0}, {-2, 0}, {1, 0}, {-2, -1}, {1, 2}},
    {{0, 0}, {-1, 0}, {2, 0}, {-1, 2}, {2, -1}},
    {{0, 0}, {-1, 0}, {2, 0}, {-1, 2}, {2, -1}},
};
TABLE i8 KICKS[3][5][2] = {
    {{0, 0}, {-1, 0}, {-1, 1}, {0, -2}, {-1, -2}},
    {{0, 0}, {1, 0}, {1, -1}, {0, 2}, {1, 2}},
    {{0, 0}, {1, 0}, {1, 1}, {0, -2}, {1, -2}},
};

typedef struct {
    int kind, rotation, x, y, level;
    int fallen;   /* thousandths of frames since it last came down a row */
    int grounded; /* it rests on something */
} Piece;

/* ---- The piece in play ---------------------------------------------------------------------------------------------- */

FUNCTION int fits(const int *board, u32 shape, int x, int y) {
    for (int i = 0; i < 4; i++) {
        u32 cells = shape >> 4 * i & 15;
        if (!cells) continue;
        if (x + i < 0 || x + i >= COLUMNS) return 0;
        if (((u32)board[x + i] << 4 | 15) & cells << (y + 4)) return 0; /* the 15: four rows of floor */
    }
    return 1;
}

/* Rows a hard drop would take it down. */
FUNCTION int drop_rows(const int *board, u32 shape, int x, int y) {
    int rows = 2 * ROWS;
    for (int i = 0; i < 4; i++) {
        u32 cells = shape >> 4 * i & 15;
        if (!cells) continue;
        int bottom = LOWEST(cells) + y; /* a piece has no gaps in a column */
        u32 below = (u32)board[x + i] & ((1u << bottom) - 1);
        int free_rows = bottom - (32 - LEADING_ZEROS(below));
        if (free_rows < rows) rows = free_rows;
    }
    return rows;
}

/* The lowest row with a cell of the shape in it, counted from that of its box. */
FUNCTION int lowest_row(u32 shape) { return LOWEST((shape | shape >> 4 | shape >> 8 | shape >> 12) & 15); }

FUNCTION int rests(const int *board, const Piece *p) {
    return !fits(board, SHAPES[p->kind][p->rotation], p->x, p->y - 1);
}

FUNCTION void descend(const int *board, Piece *p) {
    p->y--;
    p->grounded = rests(board, p);
}

FUNCTION int appears(const int *board, int kind) {
    return fits(board, SHAPES[kind][0], SPAWN_X[kind], SPAWN_Y[kind]);
}

/* A piece that `appears`; it comes down one row at once. */
FUNCTION Piece spawn(const int *board, int kind, int level) {
    Piece p = {kind, 0, SPAWN_X[kind], SPAWN_Y[kind], level, 0, 0};
    p.grounded = rests(board, &p);
    if (!p.grounded) descend(board, &p);
    return p;
}

FUNCTION void touched(const int *board, Piece *p) {
    p->grounded = rests(board, p);
    if (p->grounded) p->fallen = 0;
}

FUNCTION int shift(const int *board, Piece *p, int columns) {
    if (!fits(board, SHAPES[p->kind][p->rotation], p->x + columns, p->y)) return 0;
    p->x += columns;
    touched(board, p);
    return 1;
}

FUNCTION int rotate(const int *board, Piece *p, int counter) {
    int state = (p->rotation + (counter ? 3 : 1)) & 3, which = counter ? 2 : p->rotation & 1;
    u32 shape = SHAPES[p->kind][state];
    for (int kick = 0; kick < 5; kick++) { /* an O fits as it is */
        const i8 *change = p->kind == KIND_I ? KICKS_I[which][kick] : KICKS[which][kick];
        if (fits(board, shape, p->x + change[0], p->y + change[1])) {
            p->rotation = state;
            p->x += change[0];
            p->y += change[1];
            touched(board, p);
            return 1;
        }
    }
    return 0;
}

/* Let the frames of a move pass. */
FUNCTION void pass(const int *board, Piece *p) {
    int frames = MOVE_FRAMES;
    while (!p->grounded) {
        int period = PERIODS[p->level], need = (period - p->fallen + TICK - 1) / TICK;
        if (frames < need) {
            p->fallen += TICK * frames;
            return;
        }
        frames -= need;
        p->fallen += TICK * need - period;
        descend(board, p);
        if (p->grounded) p->fallen = 0;
    }
}

/* Play an action up to the lock; whether each of its moves did something. */
LARGE_FUNCTION int play(const int *board, Piece *p, int action) {
    int turn = action / SHIFTS, columns = action % SHIFTS - 5, valid = 1;
    int turns = turn == 2 ? 2 : turn > 0, moves = turns + (columns < 0 ? -columns : columns);
    for (int move = 0; move < moves; move++) {
        valid &= move < turns ? rotate(board, p, turn == 3) : shift(board, p, columns < 0 ? -1 : 1);
        pass(board, p);
    }
    p->y -= drop_rows(board, SHAPES[p->kind][p->rotation], p->x, p->y);
    return valid;
}

/* ---- The value of a board ------------------------------------------------------------------------------------------- */

/* Lock a piece into the columns and take full rows out, as bits; none of `columns` may be indexed by a variable, so that
 * they stay in registers. */
FUNCTION u32 lock(u32 columns[COLUMNS], u32 shape, int x, int y) {
    u64 cells = (u64)shape << 4 * (x + 2); /* no box is further left than column -2 */
    u32 full = SPAN, left;
    UNROLL for (int c = 0; c < COLUMNS; c++) {
        columns[c] |= ((u32)(cells >> 4 * (c + 2)) & 15) << (y + 4) >> 4;
        full &= columns[c];
    }
    for (left = full; left;) {
        u32 below = (left & (0u - left)) - 1;
        UNROLL for (int c = 0; c < COLUMNS; c++) columns[c] = (columns[c] & below) | (columns[c] >> 1 & ~below);
        left = left >> 1 & ~below;
    }
    return full;
}

/* `worth` without what depends on the piece: landing height and lines. */
FUNCTION float features(const u32 columns[COLUMNS]) {
    int row_transitions = 0, column_transitions = 0, holes = 0, depths = 0;
    UNROLL for (int c = 0; c < COLUMNS; c++) {
        u32 column = columns[c] & SPAN;
        u32 left = c ? columns[c ? c - 1 : 0] & SPAN : SPAN;
        u32 right = c < COLUMNS - 1 ? columns[c < COLUMNS - 1 ? c + 1 : 0] & SPAN : SPAN;
        int height = 32 - LEADING_ZEROS(column);
        row_transitions += ONES(column ^ left);
        column_transitions += ONES((column ^ (column << 1 | 1)) & SPAN);
        holes += height - ONES(column);
        u32 wells = left & right & ~0u << height; /* height <= 24 */
        for (u32 deep = wells; deep; deep &= deep >> 1) depths += ONES(deep);
    }
    row_transitions += ONES(~columns[COLUMNS - 1] & SPAN);
    return ROW_TRANSITIONS * row_transitions + COLUMN_TRANSITIONS * column_transitions + HOLES * holes + WELLS * depths;
}

/* What a placement adds to the value of the board it leads to. */
FUNCTION float merit(u32 shape, int y, u32 full) {
    u32 rows = (shape | shape >> 4 | shape >> 8 | shape >> 12) & 15;
    int bottom = LOWEST(rows) + y, top = 31 - LEADING_ZEROS(rows) + y;
    return LANDING_HEIGHT * ((bottom + top) * 0.5f + 1) + LINES * ONES(full);
}

/* The best that a piece, dropped straight from above, makes of a board; `worst` if it ends the game wherever it goes. */
FUNCTION float best_drop(const u32 columns[COLUMNS], int kind, float worst) {
    u64 heights = 0; /* five bits a column; its box may hang three columns out on the right */
    UNROLL for (int c = 0; c < COLUMNS; c++) heights |= (u64)(32 - LEADING_ZEROS(columns[c] & SPAN)) << 5 * c;
    for (int turn = 0; turn < TURNS[kind]; turn++) {
        u32 shape = SHAPES[kind][turn];
        int first = LOWEST(shape) / 4, width = (31 - LEADING_ZEROS(shape)) / 4 - first + 1;
        for (int x = -first; x <= COLUMNS - width - first; x++) {
            int y = -4;
            for (int i = first; i < first + width; i++) {
                int rest = (int)(heights >> 5 * (x + i) & 31) - LOWEST(shape >> 4 * i);
                if (rest > y) y = rest;
            }
            if (y + lowest_row(shape) >= VISIBLE) continue; /* lock out */
            u32 then[COLUMNS];
            UNROLL for (int c = 0; c < COLUMNS; c++) then[c] = columns[c];
            u32 full = lock(then, shape, x, y);
            if (then[4] >> VISIBLE & 1) continue; /* a cell that every kind takes as it appears */
            float value = features(then) + merit(shape, y, full);
            if (value > worst) worst = value;
        }
    }
    return worst;
}

FUNCTION float value_of(const int *board, const Piece *p, int next) {
    u32 columns[COLUMNS], shape = SHAPES[p->kind][p->rotation];
    UNROLL for (int c = 0; c < COLUMNS; c++) columns[c] = board[c];
    u32 full = lock(columns, shape, p->x, p->y);
    float dead = features(columns) + GAME_OVER;
    int locked_out = p->y + lowest_row(shape) >= VISIBLE, blocked = 0;
    u64 cells = (u64)SHAPES[next][0] << 4 * SPAWN_X[next];
    UNROLL for (int c = 0; c < COLUMNS; c++)
        blocked |= (columns[c] & ((u32)(cells >> 4 * c) & 15) << SPAWN_Y[next]) != 0;
    return merit(shape, p->y, full) + (locked_out || blocked ? dead : best_drop(columns, next, dead));
}

/* ---- Kernels; pointers to arrays of which the first axis is the game -------------------------------------------------- */

/* Where the piece in play is: column and row of its box, and rows to its ghost. */
FUNCTION void show(int *where, const int *board, const Piece *p) {
    where[0] = p->x;
    where[1] = p->y;
    where[2] = drop_rows(board, SHAPES[p->kind][p->rotation], p->x, p->y);
}

/* Values (games, 44) of all actions, and `where` (games, 3). `fallen` (games) or 0: rows that the piece has come down
 * already, by waiting. count = 44 * games. */
KERNEL teach(int count, const int *columns, const int *kind, const int *next, const int *level, const int *fallen,
             float *values, int *where) {
    EACH(index, count) {
        int game = index / ACTIONS, action = index % ACTIONS, turn = action / SHIFTS;
        const int *board = columns + COLUMNS * game;
        Piece p = spawn(board, kind[game], level[game]);
        int possible = turn < TURNS[p.kind] && appears(board, p.kind); /* it doesn't in a game that is over */
        for (int rows = fallen ? fallen[game] : 0; rows > 0 && !p.grounded; rows--) descend(board, &p);
        if (action == 0) show(where + 3 * game, board, &p);
        int presses = (turn == 2 ? 2 : turn > 0) + (action % SHIFTS < 5 ? 5 - action % SHIFTS : action % SHIFTS - 5);
        values[index] = possible && play(board, &p, action) ? value_of(board, &p, next[game]) + PRESS * presses : INVALID;
    }
}

/* The next kind out of a 7-bag: a random one of those left in it (bit k: kind k), by splitmix64 (Steele et al. 2014). */
FUNCTION int draw(int *left, u64 *random) {
    if (!*left) *left = 0xFE;
    u64 z = *random += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    int kinds = *left;
    for (u32 skip = (u32)((z ^ z >> 31) >> 32) % ONES(kinds); skip; skip--) kinds &= kinds - 1;
    int kind = LOWEST(kinds);
    *left &= ~(1 << kind);
    return kind;
}

/* Play an action in each game that isn't over: `board` (games, 24, 10) of kinds, row 0 the lowest; `columns` (games, 10);
 * the piece, `where` and queue (games, 5); what is left in the bag; counters (games). `cleared` (games): rows of this
 * step. */
KERNEL step(int count, const int *actions, u8 *boards, int *columns, int *kind, int *where, int *queue, int *bag,
            u64 *random, int *level, int *lines, int *pieces, int *cleared, u8 *over) {
    EACH(game, count) {
        cleared[game] = 0;
        if (over[game]) continue;
        int *board = columns + COLUMNS * game, *coming = queue + QUEUE * game, full = SPAN;
        u8 *cells = boards + ROWS * COLUMNS * game;
        Piece p = spawn(board, kind[game], level[game]);
        play(board, &p, actions[game]);
        u32 shape = SHAPES[p.kind][p.rotation];
        for (int bit = 0; bit < 16; bit++) {
            int x = p.x + bit / 4, y = p.y + bit % 4;
            if (!(shape >> bit & 1) || y >= ROWS) continue;
            board[x] |= 1 << y;
            cells[COLUMNS * y + x] = (u8)p.kind;
        }
        for (int c = 0; c < COLUMNS; c++) full &= board[c];
        int rows = ONES(full), kept = full ? LOWEST(full) : ROWS;
        if (full) {
            for (int c = 0; c < COLUMNS; c++) board[c] = 0;
            for (int row = 0; row < ROWS; row++) {
                if (full >> row & 1) continue;
                int to = row < kept ? row : kept++;
                for (int c = 0; c < COLUMNS; c++) {
                    u8 cell = cells[COLUMNS * row + c];
                    cells[COLUMNS * to + c] = cell;
                    if (cell) board[c] |= 1 << to;
                }
            }
            for (int cell = COLUMNS * kept; cell < ROWS * COLUMNS; cell++) cells[cell] = 0;
        }
        pieces[game]++;
        cleared[game] = rows;
        lines[game] += rows;
        int now = 1 + lines[game] / LINES_A_LEVEL;
        level[game] = now < TOP_LEVEL ? now : TOP_LEVEL;
        if (p.y + lowest_row(shape) >= VISIBLE || !appears(board, coming[0])) {
            over[game] = 1;
            continue;
        }
        kind[game] = coming[0];
        for (int place = 0; place < QUEUE - 1; place++) coming[place] = coming[place + 1];
        coming[QUEUE - 1] = draw(bag + game, random + game);
        p = spawn(board, kind[game], level[game]);
        show(where + 3 * game, board, &p);
    }
}

/* A new game, with a new bag, wherever `again` (games) isn't 0. */
KERNEL reset(int count, const u8 *again, u8 *boards, int *columns, int *kind, int *where, int *queue, int *bag,
             u64 *random, int *level, int *lines, int *pieces, int *cleared, u8 *over) {
    EACH(game, count) {
        if (!again[game]) continue;
        for (int cell = 0; cell < ROWS * COLUMNS; cell++) boards[ROWS * COLUMNS * game + cell] = 0;
        for (int c = 0; c < COLUMNS; c++) columns[COLUMNS * game + c] = 0;
        bag[game] = 0;
        kind[game] = draw(bag + game, random + game);
        for (int place = 0; place < QUEUE; place++) queue[QUEUE * game + place] = draw(bag + game, random + game);
        level[game] = 1;
        lines[game] = pieces[game] = cleared[game] = over[game] = 0;
        Piece p = spawn(columns + COLUMNS * game, kind[game], 1);
        show(where + 3 * game, columns + COLUMNS * game, &p);
    }
}
