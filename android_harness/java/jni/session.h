/* One model, compiled for the CPU, with memory for its inputs and outputs. Inputs and outputs
 * are numbered as the model's main graph lists them. */
#ifndef EDGE_DEPLOY_SESSION_H
#define EDGE_DEPLOY_SESSION_H

#include "litert_api.h"

enum { PROBLEM_SIZE = 1024 };

/* Why a session could not be opened; the numbers are LiteRtNative's in Java. */
typedef enum { NO_LIBRARY = 1, BAD_MODEL = 2, NO_MEMORY = 3 } Refusal;

typedef struct {
    Handle tensor;
    RankedType type;
    void *memory;
    size_t size;
    const char *name;
    float scale;
    int64_t zero_point;
} Slot;

typedef struct {
    LiteRt api;
    Handle environment, model, compiled;
    size_t signature, inputs, outputs;
    Slot *slots;             /* the inputs, then the outputs */
    Handle *input_buffers;   /* in the order of the signature */
    Handle *output_buffers;
    bool fully_delegated;
    Refusal refusal;
    char problem[PROBLEM_SIZE];
} Session;

/* Opens a model; on failure `refusal` and `problem` are set and the rest is empty. `session`
 * is zeroed memory. `xnnpack` false stands for LiteRT's own kernels. */
bool session_open(Session *session, const char *library, const char *model, int threads,
                  bool xnnpack);

/* One inference; false with a sentence in `problem`. */
bool session_run(Session *session);

/* Gives back everything that the session holds, but not the session itself. */
void session_close(Session *session);

#endif
